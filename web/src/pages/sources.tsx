// Each source: whether it replies, how it is called, and what it filters and orders itself.
import { type ReactNode, useEffect } from 'react';
import { useQuery } from 'urql';
import { failure } from '../client';
import { Missing, Time, Value, words } from '../format';
import type { SourceStatesQuery } from '../generated/graphql';
import { SourceState, SourceStates } from '../queries';
import { Failed, Loading } from '../ui';

type Source = SourceStatesQuery['sources'][number];

export default function SourcesPage() {
  const [{ data, error }, again] = useQuery({ query: SourceStates });
  useEffect(() => {
    document.title = 'Sources · Tracegraph';
  }, []);
  if (error && !data)
    return (
      <Failed what="No sources." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />
    );
  if (!data) return <Loading what="the sources" />;
  const { version, limits } = data.gateway;
  return (
    <>
      <h1>Sources</h1>
      {data.sources.length === 0 && <p>No source is configured, or none is visible with this key.</p>}
      <div className="cards">
        {data.sources.map((source) => (
          <Card key={source.id} source={source} />
        ))}
      </div>
      <h2>Gateway</h2>
      <Facts
        facts={[
          ['Version', version],
          ['Longest request', <Value value={limits.deadlineMs} unit="MILLISECONDS" />],
          ['Rows of a page', `${limits.defaultFirst}, at most ${limits.maxFirst}`],
          ['Largest cost', String(limits.maxCost)],
          ['Depth', String(limits.maxDepth)],
          ['Aliases', String(limits.maxAliases)],
        ]}
      />
    </>
  );
}

function Facts({ facts }: { facts: readonly [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Each source is checked by a query of its own: the check of one that hangs takes its time-out. */
function Card({ source }: { source: Source }) {
  const [{ data, error, fetching }, again] = useQuery({
    query: SourceState,
    variables: { id: source.id },
    requestPolicy: 'cache-and-network',
  });
  const retry = () => again({ requestPolicy: 'network-only' });
  const state = data?.node && 'health' in data.node ? data.node : null;
  const health = state?.health;
  return (
    <article className="card" data-source={source.name} aria-busy={fetching}>
      <h2>
        {source.name} <small>{source.vendor}</small>
      </h2>
      <p className={`state ${health ? health.status.toLowerCase() : 'waiting'}`}>
        <span className="dot" aria-hidden="true" />
        <strong>{health ? words(health.status) : fetching ? 'checking…' : 'not checked'}</strong>
        <button className="small" onClick={retry} disabled={fetching}>
          Check again<span className="unseen">{`: ${source.name}`}</span>
        </button>
      </p>
      {error && !health && <Failed what="The source could not be checked." failure={failure(error)} retry={retry} />}
      {health?.lastError && <Failed what={`${source.name} does not reply as it should.`} failure={health.lastError} />}
      <Facts
        facts={[
          ['Circuit breaker', health ? words(health.circuit) : <Missing />],
          ['Checked', <Time value={health?.checkedAt} exact />],
          ['Interface', state?.apiVersion ?? source.apiVersion ?? <Missing />],
          [
            'Limits',
            source.rateLimits.length
              ? source.rateLimits
                  .map(({ kind, calls, perSeconds }) => `${kind}: ${calls} calls in ${perSeconds} s`)
                  .join(', ')
              : 'none',
          ],
        ]}
      />
      {state && (
        <details>
          <summary>What it filters and orders itself</summary>
          <Facts
            facts={[
              ['Filters of experiments', texts(state.capabilities.experimentFilters)],
              ['Orders of experiments', texts(state.capabilities.experimentOrders.map(words))],
              ['Filters of sessions', texts(state.capabilities.sessionFilters)],
              ['Orders of sessions', texts(state.capabilities.sessionOrders.map(words))],
              ['Reported metrics', texts(state.capabilities.reportedMetrics.map(words))],
              ['Spans', state.capabilities.spans ? 'yes' : 'no'],
            ]}
          />
          <p>The gateway applies all others.</p>
        </details>
      )}
    </article>
  );
}

const texts = (all: readonly string[]): ReactNode => all.join(', ') || 'none';
