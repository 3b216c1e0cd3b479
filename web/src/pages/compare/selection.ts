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
    case: get('case'),
  };
}

/** Two sources rarely share the ids of cases, so cases of different sources meet by their input. */
export function joinOf({ joinOn }: Selection, experiments: readonly Compared[]): CaseKey {
  return joinOn ?? (new Set(experiments.map(({ source }) => source.id)).size > 1 ? 'INPUT' : 'TEST_CASE_ID');
}

export const label = ({ name, source }: Compared) => `${name} (${source.name})`;
