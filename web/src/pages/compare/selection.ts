// What the address of a comparison says.
import type { AggregateBasis, CaseKey, CaseOutcome, Statistic } from '../../generated/graphql';
import { list } from '../../router';

export interface Compared {
  id: string;
  name: string;
  source: { id: string; name: string; vendor: string };
}

export interface Selection {
  ids: string[];
  baseline: string | null;
  statistic: Statistic;
  basis: AggregateBasis;
  joinOn: CaseKey | null;
  metric: string;
  outcome: CaseOutcome | null;
  text: string;
  order: string;
  target: string | null;
  /** The metric that stands against the cost. */
  quality: string;
  case: string | null;
}

export function selectionOf(parameters: URLSearchParams): Selection {
  const get = (name: string) => parameters.get(name);
  return {
    ids: list(parameters, 'ids'),
    baseline: get('baseline'),
    statistic: (get('statistic') ?? 'MEAN') as Statistic,
    basis: (get('basis') ?? 'BEST') as AggregateBasis,
    joinOn: get('join') as CaseKey | null,
    metric: get('metric') ?? 'latency',
    outcome: get('outcome') as CaseOutcome | null,
    text: get('text') ?? '',
    order: get('order') ?? 'worst',
    target: get('target'),
    quality: get('quality') ?? 'error_rate',
    case: get('case'),
  };
}

/**
 * Return by what cases meet. Two sources rarely share the ids of cases, so theirs meet by input.
 *
 * Experiments that are not known yet may be those of two sources.
 */
export function joinOf({ joinOn, ids }: Selection, known: readonly Compared[]): CaseKey {
  const isOneSource = known.length === ids.length && new Set(known.map(({ source }) => source.id)).size === 1;
  return joinOn ?? (isOneSource ? 'TEST_CASE_ID' : 'INPUT');
}

export const label = ({ name, source }: Compared) => `${name} (${source.name})`;
