// What the address of a comparison says.
import type { AggregateBasis, CaseKey, CaseOutcome, Statistic } from '../../generated/graphql';
import { shownName } from '../../format';
import { list, oneOf } from '../../router';

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

export const STATISTICS: readonly Statistic[] = [
  ...(['MEAN', 'MEDIAN', 'P90', 'P95', 'P99', 'SUM', 'MIN', 'MAX', 'P25', 'P75', 'STDDEV', 'COUNT'] as const),
];
const BASES: readonly AggregateBasis[] = ['BEST', 'REPORTED', 'COMPUTED'];
const CASE_KEYS: readonly CaseKey[] = ['INPUT', 'TEST_CASE_ID'];
export const OUTCOMES: readonly CaseOutcome[] = ['REGRESSED', 'IMPROVED', 'EQUAL', 'MISSING'];

export function selectionOf(parameters: URLSearchParams): Selection {
  const get = (name: string) => parameters.get(name);
  return {
    ids: [...new Set(list(parameters, 'ids'))],
    baseline: get('baseline'),
    statistic: oneOf(get('statistic'), STATISTICS, 'MEAN'),
    basis: oneOf(get('basis'), BASES, 'BEST'),
    joinOn: CASE_KEYS.find((one) => one === get('join')) ?? null,
    metric: get('metric') ?? 'latency',
    outcome: OUTCOMES.find((one) => one === get('outcome')) ?? null,
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

/** Return the name of each experiment with its source, and a number where two of one source share a name. */
export function labelsOf(experiments: readonly Compared[]): string[] {
  return numbered(experiments.map(({ name, source }) => `${shownName(name)} (${source.name})`));
}

/** Return the name of each experiment, and its label where two share a name. */
export function namesOf(experiments: readonly Compared[]): string[] {
  const names = experiments.map(({ name }) => shownName(name));
  const labels = labelsOf(experiments);
  return names.map((name, index) => (names.indexOf(name) === names.lastIndexOf(name) ? name : labels[index]!));
}

function numbered(texts: readonly string[]): string[] {
  return texts.map((text, index) => {
    const before = texts.slice(0, index).filter((other) => other === text).length;
    return texts.indexOf(text) === texts.lastIndexOf(text) ? text : `${text} #${before + 1}`;
  });
}
