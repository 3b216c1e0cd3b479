// Experiments of all sources in one list, to find and to choose those that are worth a comparison.
import { useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { failure } from '../client';
import { Facets, SourceNames } from '../queries';
import { list, navigate, useParameters, withParameters } from '../router';
import { Failed, Loading, More, Reports } from '../ui';
import { Filters } from './filters';
import { filterOf, orderOf } from './list_order';
import { merge } from './merge';
import { Rows } from './rows';
import { type SourceList, useSourceLists } from './source_lists';

export function ListPage() {
  const [parameters] = useParameters();
  const [{ data, error }, again] = useQuery({ query: SourceNames });
  useEffect(() => {
    document.title = 'Experiments · Tracegraph';
  }, []);
  if (error && !data)
    return (
      <Failed what="No sources." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />
    );
  if (!data) return <Loading what="the sources" />;
  const chosen = list(parameters, 'source');
  return (
    <Experiments
      sources={data.sources.filter(({ name }) => !chosen.length || chosen.includes(name))}
      all={data.sources}
    />
  );
}

export interface NamedSource {
  id: string;
  name: string;
  vendor: string;
}

function Experiments({ sources, all }: { sources: readonly NamedSource[]; all: readonly NamedSource[] }) {
  const [parameters, change] = useParameters();
  const { by, input } = orderOf(parameters);
  const { lists, read } = useSourceLists(
    sources.map(({ id }) => id),
    filterOf(parameters),
    input,
  );
  const [{ data: facets, error: facetsError }] = useQuery({ query: Facets });
  const shown = sources
    .map(({ id }) => lists[id])
    .filter((one): one is SourceList => one !== undefined && one.pages.length > 0);
  const { rows, next } = merge(shown.map(loaded), input);
  const reading = sources.filter(({ id }) => lists[id]?.since != null);
  const nextSource = next < 0 ? undefined : sources.find(({ id }) => lists[id] === shown[next]);
  const direction = input.direction ?? 'DESC';
  const again = (id: string) => void read(id, { again: true });
  function orderBy(name: string): void {
    const flipped =
      name === by && direction === 'DESC' ? 'asc' : name === by ? 'desc' : name === 'name' ? 'asc' : 'desc';
    change({ order: name, direction: flipped });
  }
  return (
    <>
      <h1>Experiments</h1>
      <States sources={sources} lists={lists} again={again} />
      <Filters sources={all} facets={facets?.experimentFacets ?? (facetsError ? null : undefined)} by={by} direction={direction} />
      <Problems sources={sources} lists={lists} again={again} />
      <Rows rows={rows} order={{ by, direction }} onOrder={orderBy} />
      {nextSource && <More busy={lists[nextSource.id]?.since != null} onMore={() => void read(nextSource.id)} />}
      {!rows.length && !reading.length && shown.length > 0 && <p>No experiment matches the filter.</p>}
      {!rows.length && reading.length > 0 && <Loading what="experiments" />}
      <Selection />
    </>
  );
}

interface SourcesProps {
  sources: readonly NamedSource[];
  lists: Record<string, SourceList>;
  again: (id: string) => void;
}

function States({ sources, lists, again }: SourcesProps) {
  return (
    <ul className="states" aria-label="Sources">
      {sources.map((source) => (
        <State key={source.id} source={source} list={lists[source.id]} again={() => again(source.id)} />
      ))}
    </ul>
  );
}

/** Why sources have no rows here, or not all of them. */
function Problems({ sources, lists, again }: SourcesProps) {
  return sources.map(({ id, name }) => {
    const problem = lists[id]?.failure;
    const retry = () => again(id);
    if (problem) return <Failed key={id} what={`${name} is missing here.`} failure={problem} retry={retry} />;
    return <Reports key={id} reports={lists[id]?.pages.at(-1)?.sources ?? []} retry={retry} />;
  });
}

function loaded(list: SourceList) {
  return {
    rows: list.pages.flatMap(({ nodes }) => nodes),
    // A list that failed holds no other back: its rows come when it is read again.
    hasMore: !list.failure && list.pages.at(-1)!.pageInfo.hasNextPage,
  };
}

/** One source: how many rows it has here, or why it has none. */
function State({ source, list, again }: { source: NamedSource; list: SourceList | undefined; again: () => void }) {
  const count = list?.pages.reduce((sum, { nodes }) => sum + nodes.length, 0) ?? 0;
  const status = list?.failure ? 'FAILED' : (list?.pages.at(-1)?.sources[0]?.status ?? 'OK');
  const waiting = !list || list.since !== null;
  const more = list?.pages.at(-1)?.pageInfo.hasNextPage ? '+' : '';
  return (
    <li className={`state ${waiting ? 'waiting' : status.toLowerCase()}`} data-source={source.name}>
      <span className="dot" aria-hidden="true" />
      <strong>{source.name}</strong>
      {waiting ? (
        <Waiting since={list?.since ?? null} />
      ) : status === 'FAILED' ? (
        <span>failed</span>
      ) : (
        <span>{`${count}${more} experiments`}</span>
      )}
      {!waiting && status === 'STALE' && <span>older rows</span>}
      {!waiting && status === 'FAILED' && (
        <button className="small" onClick={again}>
          Try again<span className="unseen">{`: ${source.name}`}</span>
        </button>
      )}
    </li>
  );
}

/** A visitor who waits for a slow vendor sees that it is the vendor, and for how long. */
function Waiting({ since }: { since: number | null }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = since ? Math.floor((now - since) / 1000) : 0;
  return <span>{seconds > 0 ? `no reply for ${seconds} s` : 'loading'}</span>;
}

/** The chosen experiments. The first is the baseline of their comparison. */
function Selection() {
  const [parameters, change] = useParameters();
  const ids = list(parameters, 'ids');
  if (!ids.length) return null;
  const tooMany = ids.length > 20;
  return (
    <aside className="selection" aria-label="Chosen experiments">
      <span role="status">{ids.length === 1 ? '1 chosen: choose another to compare' : `${ids.length} chosen`}</span>
      {tooMany && <span>At most 20 can be compared.</span>}
      <button onClick={() => change({ ids: null }, { replace: true })}>Clear</button>
      <button
        className="primary"
        disabled={ids.length < 2 || tooMany}
        onClick={() => navigate(withParameters('/compare', '', { ids: ids.join(',') }))}
      >
        Compare
      </button>
    </aside>
  );
}
