// An experiment over time: its latency, its cost, its sessions and their errors.
import { useCallback } from 'react';
import { useQuery } from 'urql';
import { Chart, type Theme } from '../charts';
import { failure } from '../client';
import { figure, words } from '../format';
import type { SeriesQuery, TimeInterval } from '../generated/graphql';
import { Series as SeriesDocument } from '../queries';
import { useParameters } from '../router';
import { Choice, Failed, Loading } from '../ui';
import { useRefresh } from './refresh';

const INTERVALS: Record<TimeInterval, number> = {
  MINUTE: 60e3,
  HOUR: 3600e3,
  DAY: 86_400e3,
  WEEK: 604_800e3,
  MONTH: 2_592_000e3,
};

/** Return the interval that cuts a duration into some dozens of parts. */
function intervalFor(duration: number): TimeInterval {
  const fits = (Object.keys(INTERVALS) as TimeInterval[]).find((interval) => duration / INTERVALS[interval] <= 60);
  return fits ?? 'MONTH';
}

const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

interface SeriesProps {
  id: string;
  /** The starts of the oldest and of the newest session. */
  first: string | undefined;
  last: string | undefined;
  ticks: number;
}

export function Series({ id, first, last, ticks }: SeriesProps) {
  const [parameters, change] = useParameters();
  const from = first ? Date.parse(first) : 0;
  const to = last ? Date.parse(last) + 1000 : 0; // the range ends after the last session
  const chosen = parameters.get('interval') as TimeInterval | null;
  const allowed = (Object.keys(INTERVALS) as TimeInterval[]).filter(
    (interval) => (to - from) / INTERVALS[interval] <= 900,
  );
  const interval = chosen && allowed.includes(chosen) ? chosen : intervalFor(to - from);
  const range = { gte: new Date(from).toISOString(), lt: new Date(to).toISOString() };
  const variables = { id, interval, range, timeZone };
  const [{ data, error, fetching }, again] = useQuery({ query: SeriesDocument, variables, pause: !first });
  useRefresh(ticks, again);
  const series = data?.experiment?.timeSeries;
  if (!first) return null;
  return (
    <section aria-label="Over time" className="charts">
      <h2>Over time</h2>
      <form className="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="Interval"
          value={interval}
          options={allowed.map((value) => ({ value, label: words(value) }))}
          onChange={(value) => change({ interval: value }, { replace: true })}
        />
      </form>
      {error && !series && (
        <Failed
          what="No time series."
          failure={failure(error)}
          retry={() => again({ requestPolicy: 'network-only' })}
        />
      )}
      {fetching && !series && <Loading what="the time series" />}
      {series && !series.complete && <p className="remark">Not every session was read.</p>}
      {series && <SeriesCharts rows={rowsOf(series.buckets)} />}
    </section>
  );
}

type Bucket = NonNullable<NonNullable<SeriesQuery['experiment']>['timeSeries']>['buckets'][number];

function rowsOf(buckets: readonly Bucket[]) {
  return buckets.map(({ start, end, sessionCount, errorCount, aggregates }) => {
    const [latency, cost] = ['LATENCY', 'COST'].map((kind) => aggregates.find(({ metric }) => metric.kind === kind));
    const times = { start: new Date(start), end: new Date(end) };
    return { ...times, p50: latency?.median, p95: latency?.p95, cost: cost?.sum, sessionCount, errorCount };
  });
}

type Row = ReturnType<typeof rowsOf>[number];

const TIME = { label: null, type: 'time' as const };

function SeriesCharts({ rows }: { rows: readonly Row[] }) {
  // A chart is drawn again when its figures change, and not whenever the page is.
  const key = JSON.stringify(rows);
  const latency = useCallback((theme: Theme) => latencyChart(theme, rows), [key]);
  const cost = useCallback((theme: Theme) => costChart(theme, rows), [key]);
  const sessions = useCallback((theme: Theme) => sessionsChart(theme, rows), [key]);
  const total = rows.reduce((sum, row) => sum + row.sessionCount, 0);
  const errors = rows.reduce((sum, row) => sum + row.errorCount, 0);
  const intervals = `${rows.length} intervals`;
  return (
    <div className="chart-grid">
      {rows.some((row) => row.p50 != null) ? (
        <Chart title="Latency, p50 and p95" description={intervals} options={latency} />
      ) : (
        <p className="chart">No session has a latency.</p>
      )}
      {rows.some((row) => row.cost != null) ? (
        <Chart title="Cost" description={intervals} options={cost} />
      ) : (
        <p className="chart">No session has a cost.</p>
      )}
      <Chart
        title="Sessions and, in front, errors"
        description={`${total} sessions, ${errors} errors in ${intervals}`}
        options={sessions}
      />
    </div>
  );
}

function latencyChart({ plot, colors }: Theme, rows: readonly Row[]) {
  const line = (name: 'p50' | 'p95', color: string, dashes: string, dy: number) => {
    const known = rows.filter((row) => row[name] != null);
    return [
      plot.line(known, { x: 'start', y: name, stroke: color, strokeDasharray: dashes }),
      plot.dot(known, {
        x: 'start',
        y: name,
        fill: color,
        r: 3,
        title: (row: Row) => `${name} ${figure(row[name]!, 'MILLISECONDS')}`,
      }),
      plot.text(known.slice(-1), { x: 'start', y: name, text: () => name, dy, fill: color }),
    ];
  };
  return {
    height: 220,
    marginRight: 30,
    y: { label: null, tickFormat: (value: number) => figure(value, 'MILLISECONDS'), grid: true, zero: true, ticks: 5 },
    x: TIME,
    marks: [...line('p50', colors[0]!, '', 12), ...line('p95', colors[1]!, '5 3', -9)],
  };
}

function costChart({ plot, colors }: Theme, rows: readonly Row[]) {
  const known = rows.filter((row) => row.cost != null);
  return {
    height: 180,
    y: { label: null, tickFormat: (value: number) => figure(value, 'USD'), grid: true, ticks: 4 },
    x: TIME,
    marks: [
      plot.rectY(known, {
        x1: 'start',
        x2: 'end',
        y: 'cost',
        fill: colors[2]!,
        inset: 0.5,
        title: (row: Row) => figure(row.cost!, 'USD'),
      }),
      plot.ruleY([0]),
    ],
  };
}

function sessionsChart({ plot, colors }: Theme, rows: readonly Row[]) {
  const bar = { x1: 'start', x2: 'end', inset: 0.5 };
  const most = Math.max(1, ...rows.map(({ sessionCount }) => sessionCount));
  const title = (row: Row) => `${row.sessionCount} sessions, ${row.errorCount} errors`;
  return {
    height: 180,
    y: { label: null, grid: true, ticks: Math.min(4, most), tickFormat: 'd' },
    x: TIME,
    marks: [
      plot.rectY(rows, { ...bar, y: 'sessionCount', fill: colors[0]!, fillOpacity: 0.35, title }),
      plot.rectY(rows, { ...bar, y: 'errorCount', fill: colors[1]!, pointerEvents: 'none' }),
      plot.ruleY([0]),
    ],
  };
}
