// What the address of the list says: its order and its filter.
import type { ExperimentFilter, ExperimentOrder } from '../generated/graphql';
import { list, oneOf } from '../router';
import type { ListStatistic } from './merge';

/** The metrics of the columns: the statistic that a column shows is the one that orders by it. */
export const COLUMNS = {
  latency: { kind: 'LATENCY', statistic: 'MEDIAN', head: 'Latency, median' },
  cost: { kind: 'COST', statistic: 'SUM', head: 'Cost, total' },
  tokens: { kind: 'TOTAL_TOKENS', statistic: 'SUM', head: 'Tokens, total' },
  errors: { kind: 'ERROR_RATE', statistic: 'MEAN', head: 'Error rate' },
} as const satisfies Record<string, { kind: string; statistic: ListStatistic; head: string }>;

const FIELDS = { created: 'CREATED_AT', updated: 'UPDATED_AT', name: 'NAME', sessions: 'SESSION_COUNT' } as const;

const KINDS = ['PROJECT', 'EVALUATION', 'AGENT'] as const;

export type MetricColumn = keyof typeof COLUMNS;
const knownOrder = (name: string | null): string =>
  name && /^score:./.test(name) ? name : oneOf(name, [...Object.keys(FIELDS), ...Object.keys(COLUMNS)], 'created');

/** Return a day of the address, or null where it is none. */
const dayOf = (text: string | null) =>
  text && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null;

export function orderOf(parameters: URLSearchParams): { by: string; input: ExperimentOrder } {
  const by = knownOrder(parameters.get('order'));
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

export function filterOf(parameters: URLSearchParams): ExperimentFilter {
  const filter: ExperimentFilter = {};
  const kinds = KINDS.filter((kind) => list(parameters, 'kind').includes(kind));
  const [since, until] = [dayOf(parameters.get('since')), dayOf(parameters.get('until'))];
  const name = parameters.get('q');
  if (name) filter.name = { contains: name };
  if (kinds.length) filter.kinds = kinds;
  for (const [parameter, field] of [
    ['dataset', 'datasetName'],
    ['agent', 'agentName'],
    ['model', 'model'],
  ] as const) {
    const values = parameters.getAll(parameter);
    if (values.length) filter[field] = { in: values };
  }
  if (since || until) {
    const dayAfter = until && new Date(Date.parse(until) + 86_400_000).toISOString();
    filter.createdAt = { gte: since && `${since}T00:00:00Z`, lt: dayAfter };
  }
  return filter;
}
