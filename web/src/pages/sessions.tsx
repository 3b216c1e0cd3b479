// The sessions of an experiment, in any order and filtered.
import { useState } from 'react';
import { useQuery } from 'urql';
import { failure } from '../client';
import { Missing, Score, Time, Value, words } from '../format';
import type { ExperimentSessionFilter, SessionOrder, SessionsQuery, SessionStatus } from '../generated/graphql';
import { Sessions as SessionsDocument } from '../queries';
import { Link, list, oneOf, sessionPath, useParameters } from '../router';
import { Choice, type Column, Failed, Loading, Menu, More, Reports, Search, Table } from '../ui';
import { useRefresh } from './refresh';

type Connection = NonNullable<NonNullable<SessionsQuery['experiment']>['sessions']>;
type Session = Connection['nodes'][number];

const STATUSES: SessionStatus[] = ['SUCCESS', 'ERROR', 'RUNNING', 'CANCELLED', 'UNKNOWN'];
const FIELDS = { started: 'STARTED_AT', latency: 'LATENCY', cost: 'COST', tokens: 'TOTAL_TOKENS' } as const;
const STEP = 25;
const MOST = 1000;

function variablesOf(parameters: URLSearchParams) {
  const name = parameters.get('order');
  const by = name && /^score:./.test(name) ? name : oneOf(name, Object.keys(FIELDS), 'started');
  const direction = parameters.get('direction') === 'asc' ? 'ASC' : 'DESC';
  const statuses = STATUSES.filter((status) => list(parameters, 'status').includes(status));
  const text = parameters.get('text');
  const filter: ExperimentSessionFilter = { ...(statuses.length && { statuses }), ...(text && { text }) };
  const orderBy: SessionOrder = by.startsWith('score:')
    ? { field: 'SCORE', evaluator: by.slice('score:'.length), direction }
    : { field: FIELDS[by as keyof typeof FIELDS] ?? 'STARTED_AT', direction };
  return { by, direction, filter, orderBy } as const;
}

interface SessionsProps {
  id: string;
  evaluators: readonly string[];
  ticks: number;
}

export function Sessions({ id, evaluators, ticks }: SessionsProps) {
  const [parameters, change] = useParameters();
  const { by, direction, filter, orderBy } = variablesOf(parameters);
  // One page that grows, and not several pages: a refresh then reads all rows in view, and keeps the place.
  const shown = Math.max(STEP, Math.floor(Number(parameters.get('rows'))) || STEP);
  const [{ data, error, fetching }, again] = useQuery({
    query: SessionsDocument,
    variables: { id, first: Math.min(shown, MOST), filter, orderBy },
  });
  useRefresh(ticks, again);
  const [kept, setKept] = useState<{ key: string; page: Connection }>();
  const key = JSON.stringify([filter, orderBy]);
  const page = data?.experiment?.sessions ?? (kept?.key === key ? kept.page : undefined);
  if (page && (kept?.page !== page || kept.key !== key)) setKept({ key, page });
  const order = (name: string) =>
    change({ order: name, direction: name === by && direction === 'DESC' ? 'asc' : null, rows: null });
  const retry = () => again({ requestPolicy: 'network-only' });
  return (
    <section aria-label="Sessions">
      <h2>Sessions {page?.totalCount != null && <small>{`${page.totalCount} in all`}</small>}</h2>
      <SessionFilters evaluators={evaluators} />
      {error && !page && <Failed what="No sessions." failure={failure(error)} retry={retry} />}
      {page && <Reports reports={page.sources} retry={retry} />}
      {!page && fetching && <Loading what="the sessions" />}
      {page?.nodes.length === 0 && (
        <p>{Object.keys(filter).length ? 'No session matches.' : 'There are no sessions.'}</p>
      )}
      {page && page.nodes.length > 0 && (
        <Table
          caption="Sessions"
          columns={columns}
          rows={page.nodes}
          rowKey={(row) => row.id}
          order={{ by, direction }}
          onOrder={order}
        />
      )}
      {page?.pageInfo.hasNextPage && shown < MOST && (
        <More busy={fetching} onMore={() => change({ rows: String(Math.min(shown * 2, MOST)) }, { replace: true })} />
      )}
      {page?.pageInfo.hasNextPage && shown >= MOST && (
        <p className="remark">{`These are the first ${MOST}: narrow the filter for others.`}</p>
      )}
    </section>
  );
}

const ORDERS = [
  { value: 'started', label: 'Start' },
  { value: 'latency', label: 'Latency' },
  { value: 'cost', label: 'Cost' },
  { value: 'tokens', label: 'Tokens' },
];

function SessionFilters({ evaluators }: { evaluators: readonly string[] }) {
  const [parameters, change] = useParameters();
  const { by, direction } = variablesOf(parameters);
  const orders = [...ORDERS, ...evaluators.map((name) => ({ value: `score:${name}`, label: `Score: ${name}` }))];
  return (
    <form className="filters" role="search" aria-label="Sessions" onSubmit={(event) => event.preventDefault()}>
      <Search
        label="Text in input, output or error"
        value={parameters.get('text') ?? ''}
        onChange={(text) => change({ text, rows: null })}
      />
      <Menu
        label="Status"
        options={STATUSES.map((value) => ({ value, label: words(value) }))}
        selected={list(parameters, 'status')}
        onChange={(values) => change({ status: values.join(','), rows: null })}
      />
      <Choice
        label="Order"
        value={by}
        options={orders}
        onChange={(value) => change({ order: value, direction: null, rows: null })}
      />
      <button onClick={() => change({ direction: direction === 'ASC' ? null : 'asc', rows: null })}>
        {direction === 'ASC' ? 'Ascending ↑' : 'Descending ↓'}
      </button>
    </form>
  );
}

const columns: Column<Session>[] = [
  {
    name: 'name',
    head: 'Session',
    cell: (row) => <Link to={sessionPath(row.id)}>{row.name ?? row.testCaseId ?? row.vendorId}</Link>,
  },
  {
    name: 'status',
    head: 'Status',
    cell: (row) => <span className={`status ${row.status.toLowerCase()}`}>{words(row.status)}</span>,
  },
  { name: 'started', head: 'Start', order: 'started', cell: (row) => <Time value={row.startedAt} exact /> },
  {
    name: 'latency',
    head: 'Latency',
    order: 'latency',
    numeric: true,
    cell: (row) => <Value value={row.latencyMs} unit="MILLISECONDS" />,
  },
  { name: 'cost', head: 'Cost', order: 'cost', numeric: true, cell: (row) => <Value value={row.costUsd} unit="USD" /> },
  {
    name: 'tokens',
    head: 'Tokens',
    order: 'tokens',
    numeric: true,
    cell: (row) => <Value value={row.tokens?.total} unit="TOKENS" />,
  },
  { name: 'models', head: 'Models', cell: (row) => row.models?.join(', ') || <Missing /> },
  {
    name: 'scores',
    head: 'Scores',
    cell: (row) =>
      row.scores?.length ? (
        <ul className="scores">
          {row.scores.map((score) => (
            <li key={score.evaluator}>
              <span>{score.evaluator}</span> <Score score={score} />
            </li>
          ))}
        </ul>
      ) : (
        <Missing />
      ),
  },
];
