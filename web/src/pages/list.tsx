// Experiments of all sources in one list, to find and to choose those that are worth a comparison.
import { useEffect, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { failure } from '../client';
import { Missing, Time, Value, words } from '../format';
import type { ExperimentFilter, ExperimentOrder, FacetsQuery, FigureFragment } from '../generated/graphql';
import { originOf } from '../metrics';
import { ComputedFigures, Facets, SourceNames } from '../queries';
import { Link, experimentPath, list, navigate, useParameters, withParameters } from '../router';
import { Choice, type Column, Failed, Loading, Menu, More, type Option, Reports, Search, Table } from '../ui';
import { type ListStatistic, type Row, merge } from './merge';
import { type SourceList, useSourceLists } from './source_lists';

/** The metrics of the columns: the statistic that a column shows is the one that orders by it. */
const COLUMNS = {
  latency: { kind: 'LATENCY', statistic: 'MEDIAN', head: 'Latency, median' },
  cost: { kind: 'COST', statistic: 'SUM', head: 'Cost, total' },
  tokens: { kind: 'TOTAL_TOKENS', statistic: 'SUM', head: 'Tokens, total' },
  errors: { kind: 'ERROR_RATE', statistic: 'MEAN', head: 'Error rate' },
} as const satisfies Record<string, { kind: string; statistic: ListStatistic; head: string }>;

const FIELDS = { created: 'CREATED_AT', updated: 'UPDATED_AT', name: 'NAME', sessions: 'SESSION_COUNT' } as const;

type MetricColumn = keyof typeof COLUMNS;
const statistics = { MEDIAN: 'median', SUM: 'sum', MEAN: 'mean' } as const;

function orderOf(parameters: URLSearchParams): { by: string; input: ExperimentOrder } {
  const by = parameters.get('order') ?? 'created';
  const ascending = parameters.get('direction') ?? (by === 'name' ? 'asc' : 'desc');
  const direction = ascending === 'asc' ? 'ASC' : 'DESC';
  if (by in COLUMNS) {
    const { kind, statistic } = COLUMNS[by as MetricColumn];
    return { by, input: { field: 'METRIC', metric: { kind }, statistic, direction } };
  }
  if (by.startsWith('score:')) {
    const metric = { kind: 'SCORE', evaluator: by.slice('score:'.length) } as const;
    return { by, input: { field: 'METRIC', metric, statistic: 'MEAN', direction } };
  }
  return { by, input: { field: FIELDS[by as keyof typeof FIELDS] ?? 'CREATED_AT', direction } };
}

function filterOf(parameters: URLSearchParams): ExperimentFilter {
  const filter: ExperimentFilter = {};
  const [kinds, since, until] = [list(parameters, 'kind'), parameters.get('since'), parameters.get('until')];
  const name = parameters.get('q');
  if (name) filter.name = { contains: name };
  if (kinds.length) filter.kinds = kinds as NonNullable<ExperimentFilter['kinds']>;
  for (const [parameter, field] of [['dataset', 'datasetName'], ['agent', 'agentName'], ['model', 'model']] as const) {
    const values = parameters.getAll(parameter);
    if (values.length) filter[field] = { in: values };
  }
  if (since || until) {
    const dayAfter = until && new Date(Date.parse(until) + 86_400_000).toISOString();
    filter.createdAt = { gte: since && `${since}T00:00:00Z`, lt: dayAfter };
  }
  return filter;
}

export function ListPage() {
  const [parameters] = useParameters();
  const [{ data, error }, again] = useQuery({ query: SourceNames });
  useEffect(() => {
    document.title = 'Experiments · Tracegraph';
  }, []);
  if (error && !data) return <Failed what="No sources." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />;
  if (!data) return <Loading what="the sources" />;
  const chosen = list(parameters, 'source');
  return <Experiments sources={data.sources.filter(({ name }) => !chosen.length || chosen.includes(name))} all={data.sources} />;
}

interface NamedSource {
  id: string;
  name: string;
  vendor: string;
}

function Experiments({ sources, all }: { sources: readonly NamedSource[]; all: readonly NamedSource[] }) {
  const [parameters, change] = useParameters();
  const { by, input } = orderOf(parameters);
  const { lists, read } = useSourceLists(sources.map(({ id }) => id), filterOf(parameters), input);
  const [{ data: facets }] = useQuery({ query: Facets });
  const shown = sources.map(({ id }) => lists[id]).filter((one): one is SourceList => one !== undefined && one.pages.length > 0);
  const { rows, next } = merge(shown.map(loaded), input);
  const reading = sources.filter(({ id }) => lists[id]?.since != null);
  const nextSource = next < 0 ? undefined : sources.find(({ id }) => lists[id] === shown[next]);
  const direction = input.direction ?? 'DESC';
  function orderBy(name: string): void {
    const flipped = name === by && direction === 'DESC' ? 'asc' : name === by ? 'desc' : name === 'name' ? 'asc' : 'desc';
    change({ order: name, direction: flipped });
  }
  return (
    <>
      <h1>Experiments</h1>
      <ul className="states" aria-label="Sources">
        {sources.map((source) => (
          <State key={source.id} source={source} list={lists[source.id]} again={() => void read(source.id, { again: true })} />
        ))}
      </ul>
      <Filters sources={all} facets={facets?.experimentFacets ?? undefined} by={by} direction={direction} />
      {sources.map(({ id, name }) => {
        const problem = lists[id]?.failure;
        return problem && <Failed key={id} what={`${name} is missing here.`} failure={problem} retry={() => void read(id, { again: true })} />;
      })}
      {sources.map(({ id }) => (
        <Reports key={id} reports={lists[id]?.pages.at(-1)?.sources ?? []} retry={() => void read(id, { again: true })} />
      ))}
      <Rows rows={rows} order={{ by, direction }} onOrder={orderBy} />
      {nextSource && <More busy={lists[nextSource.id]?.since != null} onMore={() => void read(nextSource.id)} />}
      {!rows.length && !reading.length && shown.length > 0 && <p>No experiment matches the filter.</p>}
      {!rows.length && reading.length > 0 && <Loading what="experiments" />}
      <Selection />
    </>
  );
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
  const status = list?.failure ? 'FAILED' : list?.pages.at(-1)?.sources[0]?.status ?? 'OK';
  const waiting = !list || list.since !== null;
  const more = list?.pages.at(-1)?.pageInfo.hasNextPage ? '+' : '';
  return (
    <li className={`state ${waiting ? 'waiting' : status.toLowerCase()}`} data-source={source.name}>
      <span className="dot" aria-hidden="true" />
      <strong>{source.name}</strong>
      {waiting ? <Waiting since={list?.since ?? null} /> : status === 'FAILED' ? <span>failed</span> : <span>{`${count}${more} experiments`}</span>}
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

type Facet = NonNullable<FacetsQuery['experimentFacets']>[number];

interface FiltersProps {
  sources: readonly NamedSource[];
  facets: readonly Facet[] | undefined;
  by: string;
  direction: 'ASC' | 'DESC';
}

function Filters({ sources, facets, by, direction }: FiltersProps) {
  const [parameters, change] = useParameters();
  const facet = (field: string) => facets?.find((one) => one.field === field);
  const options = (field: string): Option[] | undefined =>
    facet(field)?.values.flatMap(({ value, count }) => (value === null ? [] : [{ value, label: value, count }]));
  const menu = (parameter: string, label: string, field: string) => (
    <Menu
      label={label}
      options={options(field)}
      selected={parameters.getAll(parameter)}
      onChange={(values) => navigate(withValues('/', parameter, values), { replace: false })}
      remark={facet(field)?.complete === false ? 'Not every experiment was counted.' : undefined}
    />
  );
  // A narrow page shows the rows first.
  const [wide] = useState(() => window.matchMedia('(min-width: 40rem)').matches);
  const evaluators = options('EVALUATOR') ?? [];
  const orders = [
    ...[['created', 'Created'], ['updated', 'Last activity'], ['name', 'Name'], ['sessions', 'Sessions']].map(([value, label]) => ({ value: value!, label: label! })),
    ...Object.entries(COLUMNS).map(([value, { head }]) => ({ value, label: head })),
    ...evaluators.map(({ value }) => ({ value: `score:${value}`, label: `Score: ${value}` })),
  ];
  if (!orders.some(({ value }) => value === by)) orders.push({ value: by, label: by });
  return (
    <details className="fold" open={wide}>
      <summary>Search, filters and order</summary>
      <form className="filters" role="search" aria-label="Experiments" onSubmit={(event) => event.preventDefault()}>
        <Search label="Name" value={parameters.get('q') ?? ''} onChange={(q) => change({ q })} />
        <Menu
          label="Source"
          options={sources.map(({ name, vendor }) => ({ value: name, label: name === vendor ? name : `${name} (${vendor})` }))}
          selected={list(parameters, 'source')}
          onChange={(names) => change({ source: names.join(',') })}
        />
        <Menu
          label="Kind"
          options={options('KIND')?.map((option) => ({ ...option, label: words(option.value) }))}
          selected={list(parameters, 'kind')}
          onChange={(kinds) => change({ kind: kinds.join(',') })}
        />
        {menu('dataset', 'Dataset', 'DATASET_NAME')}
        {menu('agent', 'Agent', 'AGENT_NAME')}
        {menu('model', 'Model', 'MODEL')}
        <label className="field">
          <span>Created from (UTC)</span>
          <input type="date" value={parameters.get('since') ?? ''} onChange={(event) => change({ since: event.target.value })} />
        </label>
        <label className="field">
          <span>to</span>
          <input type="date" value={parameters.get('until') ?? ''} onChange={(event) => change({ until: event.target.value })} />
        </label>
        <Choice label="Order" value={by} options={orders} onChange={(order) => change({ order, direction: null })} />
        <button onClick={() => change({ order: by, direction: direction === 'ASC' ? 'desc' : 'asc' })}>
          {direction === 'ASC' ? 'Ascending ↑' : 'Descending ↓'}
        </button>
      </form>
    </details>
  );
}

/** Values of datasets and the like may hold commas, so each is a parameter of its own. */
function withValues(path: string, name: string, values: readonly string[]): string {
  const parameters = new URLSearchParams(window.location.search);
  parameters.delete(name);
  for (const value of values) parameters.append(name, value);
  return withParameters(path, parameters, {});
}

function Rows({ rows, order, onOrder }: { rows: readonly Row[]; order: { by: string; direction: 'ASC' | 'DESC' }; onOrder: (by: string) => void }) {
  const [parameters, change] = useParameters();
  const [computed, setComputed] = useState<Record<string, readonly FigureFragment[] | 'reading' | 'failed'>>({});
  const client = useClient();
  const chosen = list(parameters, 'ids');
  async function compute(id: string): Promise<void> {
    setComputed((all) => ({ ...all, [id]: 'reading' }));
    const { data } = await client.query(ComputedFigures, { id }).toPromise();
    setComputed((all) => ({ ...all, [id]: data?.experiment?.aggregates ?? 'failed' }));
  }
  function toggle(id: string): void {
    const ids = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id];
    change({ ids: ids.join(',') }, { replace: true });
  }
  const own = (row: Row) => computed[row.id];
  const figures = (row: Row) => (Array.isArray(own(row)) ? (own(row) as FigureFragment[]) : row.aggregates ?? []);
  const metric = (name: MetricColumn): Column<Row> => {
    const { kind, statistic, head } = COLUMNS[name];
    return { name, head, order: name, numeric: true, cell: (row) => <Figure of={figures(row).find((one) => one.metric.kind === kind)} statistic={statistic} /> };
  };
  const columns: Column<Row>[] = [
    {
      name: 'choose',
      head: 'Compare',
      cell: (row) => (
        <label className="choose">
          <input type="checkbox" checked={chosen.includes(row.id)} onChange={() => toggle(row.id)} />
          <span className="unseen">{`Compare ${row.name} of ${row.source.name}`}</span>
        </label>
      ),
    },
    { name: 'name', head: 'Name', order: 'name', cell: (row) => <Name row={row} /> },
    { name: 'source', head: 'Source', cell: (row) => <span className={`tag source-${row.source.vendor}`}>{row.source.name}</span> },
    { name: 'created', head: 'Created', order: 'created', cell: (row) => <Time value={row.createdAt} /> },
    { name: 'sessions', head: 'Sessions', order: 'sessions', numeric: true, cell: (row) => <Value value={row.sessionCount} unit="COUNT" note="the vendor's count" /> },
    metric('latency'),
    metric('cost'),
    metric('tokens'),
    metric('errors'),
    { name: 'scores', head: 'Scores, mean', cell: (row) => <Scores figures={figures(row).filter((one) => one.metric.kind === 'SCORE')} /> },
    {
      name: 'compute',
      head: 'Figures',
      cell: (row) => {
        const state = own(row);
        if (state === 'reading') return <span role="status">reading…</span>;
        if (Array.isArray(state)) return <span>computed</span>;
        return (
          <button className="small" onClick={() => void compute(row.id)}>
            {state === 'failed' ? 'Failed: again' : 'Compute'}
            <span className="unseen">{` the figures of ${row.name}`}</span>
          </button>
        );
      },
    },
  ];
  return (
    <Table
      caption="Experiments"
      columns={columns}
      rows={rows}
      rowKey={(row) => row.id}
      selected={(row) => chosen.includes(row.id)}
      order={order}
      onOrder={onOrder}
    />
  );
}

function Name({ row }: { row: Row }) {
  const details = [words(row.kind), row.datasetName, row.agentName, ...(row.models ?? [])].filter(Boolean);
  return (
    <>
      <Link to={experimentPath(row.id)}>{row.name}</Link>
      <small>{details.join(' · ')}</small>
    </>
  );
}

function Figure({ of: figures, statistic }: { of: FigureFragment | undefined; statistic: ListStatistic }) {
  if (!figures) return <Missing />;
  return <Value value={figures[statistics[statistic]]} unit={figures.metric.unit} note={originOf(figures)} />;
}

function Scores({ figures }: { figures: readonly FigureFragment[] }) {
  if (!figures.length) return <Missing />;
  return (
    <ul className="scores">
      {figures.map((one) => (
        <li key={one.metric.evaluator}>
          <span>{one.metric.evaluator}</span> <Value value={one.mean} unit="SCORE" note={originOf(one)} />
        </li>
      ))}
    </ul>
  );
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
      <button className="primary" disabled={ids.length < 2 || tooMany} onClick={() => navigate(withParameters('/compare', '', { ids: ids.join(',') }))}>
        Compare
      </button>
    </aside>
  );
}
