// One experiment: its figures, how they change over time and by group, and its sessions.
import { type ReactNode, useEffect } from 'react';
import { useQuery } from 'urql';
import { failure, useOwnQuery } from '../client';
import { Missing, Time, Value, shownName, unitOf, words } from '../format';
import type { ExperimentDetailsQuery, FigureFragment } from '../generated/graphql';
import { metricTitle, originOf } from '../metrics';
import { ExperimentDetails, Groups as GroupsDocument } from '../queries';
import { Link, oneOf, useParameters, withParameters } from '../router';
import { Choice, type Column, Failed, Loading, Table } from '../ui';
import { useRefresh, useTicks } from './refresh';
import { Series } from './series';
import { Sessions } from './sessions';

type Experiment = NonNullable<ExperimentDetailsQuery['experiment']>;

export default function ExperimentPage({ id }: { id: string }) {
  const [parameters, change] = useParameters();
  const follows = parameters.get('follow') === 'yes';
  const ticks = useTicks(follows);
  const [{ data, error }, again] = useQuery({ query: ExperimentDetails, variables: { id } });
  useRefresh(ticks, again);
  const experiment = data?.experiment;
  useEffect(() => {
    document.title = `${experiment?.name ?? 'Experiment'} · Tracegraph`;
  }, [experiment?.name]);
  const retry = () => again({ requestPolicy: 'network-only' });
  if (error && !experiment)
    return <Failed what="The experiment could not be read." failure={failure(error)} retry={retry} />;
  if (!data) return <Loading what="the experiment" />;
  if (!experiment) return <p>No source knows this experiment.</p>;
  return (
    <>
      <h1>{shownName(experiment.name)}</h1>
      <Facts experiment={experiment} />
      <p className="actions">
        <Link to={withParameters('/', '', { ids: id })}>Compare with others</Link>
        {experiment.url && (
          <a href={experiment.url} rel="noreferrer noopener" target="_blank">
            Open in {experiment.source.vendor}
          </a>
        )}
        <label>
          <input
            type="checkbox"
            checked={follows}
            onChange={() => change({ follow: follows ? null : 'yes' }, { replace: true })}
          />{' '}
          Refresh every 10 seconds
        </label>
      </p>
      {error && <Failed what="A part of the experiment could not be read." failure={failure(error)} retry={retry} />}
      {(experiment.aggregates || !error) && <Figures figures={experiment.aggregates} />}
      <Series
        id={id}
        first={experiment.oldest?.nodes[0]?.startedAt}
        last={experiment.newest?.nodes[0]?.startedAt}
        ticks={ticks}
      />
      <Groups id={id} ticks={ticks} />
      <Sessions id={id} evaluators={experiment.evaluators ?? []} ticks={ticks} />
    </>
  );
}

function Facts({ experiment }: { experiment: Experiment }) {
  const texts = (...parts: (string | null | undefined)[]) => parts.filter(Boolean).join(' ') || <Missing />;
  const facts: [string, ReactNode][] = [
    ['Source', experiment.source.name],
    ['Kind', words(experiment.kind)],
    ['Dataset', texts(experiment.datasetName, experiment.datasetVersion)],
    ['Agent', texts(experiment.agentName, experiment.agentVersion)],
    ['Models', texts(experiment.models?.join(', '))],
    ['Created', <Time value={experiment.createdAt} exact />],
    ['Last activity', <Time value={experiment.updatedAt} exact />],
    ['Sessions', <Value value={experiment.sessionCount} unit="COUNT" note="the vendor's count" />],
    ['State', texts(experiment.vendorStatus)],
    ["Vendor's id", <code>{experiment.vendorId}</code>],
  ];
  return (
    <>
      {experiment.description && <p>{experiment.description}</p>}
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Figures({ figures }: { figures: readonly FigureFragment[] | null }) {
  if (!figures?.length) return <p>There are no figures.</p>;
  const statistic = (name: 'mean' | 'median' | 'p95' | 'p99' | 'sum'): Column<FigureFragment> => ({
    name,
    head: name,
    numeric: true,
    cell: (one) => <Value value={one[name]} unit={unitOf(one.metric.unit, name)} note={originOf(one)} />,
  });
  const columns: Column<FigureFragment>[] = [
    { name: 'metric', head: 'Metric', cell: ({ metric }) => metricTitle(metric) },
    ...(['mean', 'median', 'p95', 'p99', 'sum'] as const).map(statistic),
    { name: 'count', head: 'count', numeric: true, cell: (one) => <Value value={one.count} unit="COUNT" /> },
    { name: 'origin', head: 'Origin', cell: (one) => originOf(one) },
  ];
  return (
    <section aria-label="Figures">
      <h2>Figures</h2>
      <Table caption="Figures" columns={columns} rows={figures} rowKey={({ metric }) => metric.name} />
    </section>
  );
}

const heading = (by: string) => words(by)[0]!.toUpperCase() + words(by).slice(1);

const DIMENSIONS = ['STATUS', 'MODEL', 'AGENT_VERSION'] as const;

function Groups({ id, ticks }: { id: string; ticks: number }) {
  const [parameters, change] = useParameters();
  const by = oneOf(parameters.get('groups'), DIMENSIONS, 'STATUS');
  const [{ data, error, fetching }, again] = useOwnQuery({ query: GroupsDocument, variables: { id, by } });
  useRefresh(ticks, again);
  const result = data?.experiment?.sessionGroups;
  type Group = NonNullable<typeof result>['groups'][number];
  const one = (name: string, head: string, kind: string, statistic: 'mean' | 'median' | 'sum'): Column<Group> => ({
    name,
    head,
    numeric: true,
    cell: ({ aggregates }) => {
      const of = aggregates.find(({ metric }) => metric.kind === kind);
      return of ? <Value value={of[statistic]} unit={of.metric.unit} note={originOf(of)} /> : <Missing />;
    },
  });
  const columns: Column<Group>[] = [
    { name: 'key', head: heading(by), cell: ({ key }) => (key === null ? 'none' : by === 'STATUS' ? words(key) : key) },
    {
      name: 'count',
      head: 'Sessions',
      numeric: true,
      cell: ({ sessionCount }) => <Value value={sessionCount} unit="COUNT" />,
    },
    one('latency', 'Latency, median', 'LATENCY', 'median'),
    one('cost', 'Cost, total', 'COST', 'sum'),
    one('errors', 'Error rate', 'ERROR_RATE', 'mean'),
  ];
  return (
    <section aria-label="Groups">
      <h2>Groups</h2>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="By"
          value={by}
          options={DIMENSIONS.map((value) => ({ value, label: words(value) }))}
          onChange={(value) => change({ groups: value }, { replace: true })}
        />
      </form>
      {error && !result && (
        <Failed what="No groups." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />
      )}
      {fetching && !result && <Loading what="the groups" />}
      {result?.groups.length === 0 && <p>There are no sessions.</p>}
      {result && result.groups.length > 0 && (
        <Table
          caption={`Sessions by ${words(by)}`}
          columns={columns}
          rows={result.groups}
          rowKey={({ key }) => String(key)}
        />
      )}
      {result && result.otherCount > 0 && <p>{`${result.otherCount} sessions are in other groups.`}</p>}
      {result && !result.complete && <p className="remark">Not every session was read.</p>}
    </section>
  );
}
