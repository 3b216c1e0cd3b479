// The rows of the list: the vendors' figures, and the gateway's where a visitor asks for them.
import { useState } from 'react';
import { useClient } from 'urql';
import { Missing, Time, Value, shownName, words } from '../format';
import type { FigureFragment } from '../generated/graphql';
import { originOf } from '../metrics';
import { ComputedFigures } from '../queries';
import { Link, experimentPath, list, useParameters } from '../router';
import { type Column, type Order, Table } from '../ui';
import { COLUMNS, type MetricColumn } from './list_order';
import type { ListStatistic, Row } from './merge';

const STATISTICS = { MEDIAN: 'median', SUM: 'sum', MEAN: 'mean' } as const;

type Computed = readonly FigureFragment[] | 'reading' | 'failed' | undefined;

interface RowsProps {
  rows: readonly Row[];
  order: Order;
  onOrder: (by: string) => void;
}

export function Rows({ rows, order, onOrder }: RowsProps) {
  const [parameters, change] = useParameters();
  const [computed, compute] = useComputed();
  const chosen = list(parameters, 'ids');
  const isChosen = ({ id }: Row) => chosen.includes(id);
  function toggle({ id }: Row): void {
    const ids = chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id];
    change({ ids: ids.join(',') }, { replace: true });
  }
  const figures = (row: Row) => {
    const own = computed[row.id];
    return typeof own === 'object' ? own : (row.aggregates ?? []);
  };
  const columns: Column<Row>[] = [
    {
      name: 'choose',
      head: 'Compare',
      cell: (row) => <Choose row={row} checked={isChosen(row)} onToggle={() => toggle(row)} />,
    },
    ...PLAIN_COLUMNS,
    ...(Object.keys(COLUMNS) as MetricColumn[]).map((name) => metricColumn(name, figures)),
    { name: 'scores', head: 'Scores, mean', cell: (row) => <Scores figures={figures(row)} /> },
    {
      name: 'compute',
      head: 'Figures',
      cell: (row) => <Compute row={row} state={computed[row.id]} onCompute={() => void compute(row.id)} />,
    },
  ];
  return (
    <Table
      caption="Experiments"
      columns={columns}
      rows={rows}
      rowKey={({ id }) => id}
      selected={isChosen}
      order={order}
      onOrder={onOrder}
    />
  );
}

/** Return the computed figures by experiment, and a function that has them computed. */
function useComputed() {
  const client = useClient();
  const [computed, setComputed] = useState<Record<string, Computed>>({});
  async function compute(id: string): Promise<void> {
    setComputed((all) => ({ ...all, [id]: 'reading' }));
    const { data } = await client.query(ComputedFigures, { id }).toPromise();
    setComputed((all) => ({ ...all, [id]: data?.experiment?.aggregates ?? 'failed' }));
  }
  return [computed, compute] as const;
}

const PLAIN_COLUMNS: Column<Row>[] = [
  { name: 'name', head: 'Name', order: 'name', cell: (row) => <Name row={row} /> },
  { name: 'source', head: 'Source', cell: ({ source }) => <span className="tag">{source.name}</span> },
  { name: 'created', head: 'Created', order: 'created', cell: ({ createdAt }) => <Time value={createdAt} /> },
  {
    name: 'sessions',
    head: 'Sessions',
    order: 'sessions',
    numeric: true,
    cell: ({ sessionCount }) => <Value value={sessionCount} unit="COUNT" note="the vendor's count" />,
  },
];

function metricColumn(name: MetricColumn, figures: (row: Row) => readonly FigureFragment[]): Column<Row> {
  const { kind, statistic, head } = COLUMNS[name];
  const cell = (row: Row) => (
    <Figure figure={figures(row).find(({ metric }) => metric.kind === kind)} statistic={statistic} />
  );
  return { name, head, order: name, numeric: true, cell };
}

function Choose({ row, checked, onToggle }: { row: Row; checked: boolean; onToggle: () => void }) {
  return (
    <label className="choose">
      <input type="checkbox" checked={checked} onChange={onToggle} />
      <span className="unseen">{`Compare ${shownName(row.name)} of ${row.source.name}`}</span>
    </label>
  );
}

function Name({ row }: { row: Row }) {
  const details = [words(row.kind), row.datasetName, row.agentName, ...(row.models ?? [])].filter(Boolean);
  return (
    <>
      <Link to={experimentPath(row.id)}>{shownName(row.name)}</Link>
      <small>{details.join(' · ')}</small>
    </>
  );
}

function Figure({ figure, statistic }: { figure: FigureFragment | undefined; statistic: ListStatistic }) {
  if (!figure) return <Missing />;
  return <Value value={figure[STATISTICS[statistic]]} unit={figure.metric.unit} note={originOf(figure)} />;
}

function Scores({ figures }: { figures: readonly FigureFragment[] }) {
  const scores = figures.filter(({ metric }) => metric.kind === 'SCORE');
  if (!scores.length) return <Missing />;
  return (
    <ul className="scores">
      {scores.map((one) => (
        <li key={one.metric.evaluator}>
          <span>{one.metric.evaluator}</span> <Value value={one.mean} unit="SCORE" note={originOf(one)} />
        </li>
      ))}
    </ul>
  );
}

function Compute({ row, state, onCompute }: { row: Row; state: Computed; onCompute: () => void }) {
  if (state === 'reading') return <span role="status">reading…</span>;
  if (typeof state === 'object') return <span>computed</span>;
  return (
    <button className="small" onClick={onCompute}>
      {state === 'failed' ? 'Failed: again' : 'Compute'}
      <span className="unseen">{` the figures of ${shownName(row.name)}`}</span>
    </button>
  );
}
