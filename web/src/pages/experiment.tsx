// One experiment: its figures, how they change over time and by group, and its sessions.
import { type ReactNode, useCallback, useEffect } from 'react';
import { useQuery } from 'urql';
import { Chart, type Theme } from '../charts';
import { failure } from '../client';
import { Missing, Time, Value, figure, unitOf, words } from '../format';
import type { ExperimentDetailsQuery, FigureFragment, SeriesQuery, TimeInterval } from '../generated/graphql';
import { metricTitle, originOf } from '../metrics';
import { ExperimentDetails, Groups as GroupsDocument, Series as SeriesDocument } from '../queries';
import { Link, useParameters, withParameters } from '../router';
import { Choice, type Column, Failed, Loading, Table } from '../ui';
import { useRefresh, useTicks } from './refresh';
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
  if (error && !experiment) return <Failed what="The experiment could not be read." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />;
  if (!data) return <Loading what="the experiment" />;
  if (!experiment) return <p>No source knows this experiment.</p>;
  return (
    <>
      <h1>{experiment.name}</h1>
      <Facts experiment={experiment} />
      <p className="actions">
        <Link to={withParameters('/', '', { ids: id })}>Compare with others</Link>
        {experiment.url && (
          <a href={experiment.url} rel="noreferrer noopener" target="_blank">
            Open in {experiment.source.vendor}
          </a>
        )}
        <label>
          <input type="checkbox" checked={follows} onChange={() => change({ follow: follows ? null : 'yes' }, { replace: true })} /> Refresh every 10 seconds
        </label>
      </p>
      <Figures figures={experiment.aggregates} />
      <Series experiment={experiment} ticks={ticks} />
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

const INTERVALS: Record<TimeInterval, number> = { MINUTE: 60e3, HOUR: 3600e3, DAY: 86_400e3, WEEK: 604_800e3, MONTH: 2_592_000e3 };

/** Return the interval that cuts a duration into some dozens of parts. */
function intervalFor(duration: number): TimeInterval {
  const fits = (Object.keys(INTERVALS) as TimeInterval[]).find((interval) => duration / INTERVALS[interval] <= 60);
  return fits ?? 'MONTH';
}

const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function Series({ experiment, ticks }: { experiment: Experiment; ticks: number }) {
  const [parameters, change] = useParameters();
  const [first, last] = [experiment.oldest?.nodes[0]?.startedAt, experiment.newest?.nodes[0]?.startedAt];
  const from = first ? Date.parse(first) : 0;
  const to = last ? Date.parse(last) + 1000 : 0; // the range ends after the last session
  const chosen = parameters.get('interval') as TimeInterval | null;
  const allowed = (Object.keys(INTERVALS) as TimeInterval[]).filter((interval) => (to - from) / INTERVALS[interval] <= 900);
  const interval = chosen && allowed.includes(chosen) ? chosen : intervalFor(to - from);
  const range = { gte: new Date(from).toISOString(), lt: new Date(to).toISOString() };
  const variables = { id: experiment.id, interval, range, timeZone };
  const [{ data, error, fetching }, again] = useQuery({ query: SeriesDocument, variables, pause: !first });
  useRefresh(ticks, again);
  const series = data?.experiment?.timeSeries;
  if (!first) return null;
  return (
    <section aria-label="Over time" className="charts">
      <h2>Over time</h2>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice label="Interval" value={interval} options={allowed.map((value) => ({ value, label: words(value) }))} onChange={(value) => change({ interval: value }, { replace: true })} />
      </form>
      {error && !series && <Failed what="No time series." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />}
      {fetching && !series && <Loading what="the time series" />}
      {series && !series.complete && <p className="remark">Not every session was read.</p>}
      {series && <SeriesCharts buckets={series.buckets} />}
    </section>
  );
}

type Bucket = NonNullable<NonNullable<SeriesQuery['experiment']>['timeSeries']>['buckets'][number];

function SeriesCharts({ buckets }: { buckets: readonly Bucket[] }) {
  const rows = buckets.map((bucket) => {
    const of = (kind: string) => bucket.aggregates.find(({ metric }) => metric.kind === kind);
    const [latency, cost] = [of('LATENCY'), of('COST')];
    const { sessionCount, errorCount } = bucket;
    return { start: new Date(bucket.start), end: new Date(bucket.end), p50: latency?.median, p95: latency?.p95, cost: cost?.sum, sessionCount, errorCount };
  });
  const key = JSON.stringify(buckets);
  const latency = useCallback(
    ({ plot, colors }: Theme) => ({
      height: 220,
      y: { label: null, tickFormat: (value: number) => figure(value, 'MILLISECONDS'), grid: true, zero: true, ticks: 5 },
      x: { label: null, type: 'time' as const },
      marks: (['p50', 'p95'] as const).flatMap((name, index) => {
        const known = rows.filter((row) => row[name] != null);
        const last = known.slice(-1);
        return [
          plot.line(known, { x: 'start', y: name, stroke: colors[index]!, strokeDasharray: index ? '5 3' : '' }),
          plot.dot(known, { x: 'start', y: name, fill: colors[index]!, r: 3, title: (row: (typeof rows)[number]) => `${name} ${figure(row[name]!, 'MILLISECONDS')}` }),
          plot.text(last, { x: 'start', y: name, text: () => name, dy: -9, fill: colors[index]! }),
        ];
      }),
      marginRight: 30,
    }),
    [key],
  );
  const cost = useCallback(
    ({ plot, colors }: Theme) => ({
      height: 180,
      y: { label: null, tickFormat: (value: number) => figure(value, 'USD'), grid: true, ticks: 4 },
      x: { label: null, type: 'time' as const },
      marks: [
        plot.rectY(rows.filter((row) => row.cost != null), {
          x1: 'start', x2: 'end', y: 'cost', fill: colors[2]!, inset: 0.5, title: (row: (typeof rows)[number]) => figure(row.cost!, 'USD'),
        }),
        plot.ruleY([0]),
      ],
    }),
    [key],
  );
  const sessions = useCallback(
    ({ plot, colors }: Theme) => ({
      height: 180,
      y: { label: null, grid: true, ticks: 4 },
      x: { label: null, type: 'time' as const },
      marks: [
        plot.rectY(rows, { x1: 'start', x2: 'end', y: 'sessionCount', fill: colors[0]!, fillOpacity: 0.35, inset: 0.5, title: (row: (typeof rows)[number]) => `${row.sessionCount} sessions, ${row.errorCount} errors` }),
        plot.rectY(rows, { x1: 'start', x2: 'end', y: 'errorCount', fill: colors[1]!, inset: 0.5, pointerEvents: 'none' }),
        plot.ruleY([0]),
      ],
    }),
    [key],
  );
  const total = rows.reduce((sum, row) => sum + row.sessionCount, 0);
  const errors = rows.reduce((sum, row) => sum + row.errorCount, 0);
  return (
    <div className="chart-grid">
      <Chart title="Latency, p50 and p95" description={`${rows.length} intervals`} options={latency} />
      {rows.some((row) => row.cost != null) ? (
        <Chart title="Cost" description={`${rows.length} intervals`} options={cost} />
      ) : (
        <p>No session has a cost.</p>
      )}
      <Chart title="Sessions and, in front, errors" description={`${total} sessions, ${errors} errors in ${rows.length} intervals`} options={sessions} />
    </div>
  );
}

const DIMENSIONS = ['STATUS', 'MODEL', 'AGENT_VERSION'] as const;

function Groups({ id, ticks }: { id: string; ticks: number }) {
  const [parameters, change] = useParameters();
  const by = (parameters.get('groups') ?? 'STATUS') as (typeof DIMENSIONS)[number];
  const [{ data, error, fetching }, again] = useQuery({ query: GroupsDocument, variables: { id, by } });
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
    { name: 'key', head: words(by), cell: ({ key }) => (key === null ? 'none' : by === 'STATUS' ? words(key) : key) },
    { name: 'count', head: 'Sessions', numeric: true, cell: ({ sessionCount }) => <Value value={sessionCount} unit="COUNT" /> },
    one('latency', 'Latency, median', 'LATENCY', 'median'),
    one('cost', 'Cost, total', 'COST', 'sum'),
    one('errors', 'Error rate', 'ERROR_RATE', 'mean'),
  ];
  return (
    <section aria-label="Groups">
      <h2>Groups</h2>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice label="By" value={by} options={DIMENSIONS.map((value) => ({ value, label: words(value) }))} onChange={(value) => change({ groups: value }, { replace: true })} />
      </form>
      {error && !result && <Failed what="No groups." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />}
      {fetching && !result && <Loading what="the groups" />}
      {result && <Table caption={`Sessions by ${words(by)}`} columns={columns} rows={result.groups} rowKey={({ key }) => String(key)} />}
      {result && result.otherCount > 0 && <p>{`${result.otherCount} sessions are in other groups.`}</p>}
      {result && !result.complete && <p className="remark">Not every session was read.</p>}
    </section>
  );
}
