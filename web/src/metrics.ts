// The names of metrics as the API takes them, and as people read them.
import type { FigureFragment, MetricInput } from './generated/graphql';

export type Metric = FigureFragment['metric'];

/** Return the metric that a name means, as `Metric.name` and the command line have it: latency, score:accuracy. */
export function metricInput(name: string): MetricInput {
  const [kind, ...evaluator] = name.split(':');
  return evaluator.length
    ? { kind: 'SCORE', evaluator: evaluator.join(':') }
    : { kind: kind!.toUpperCase() as MetricInput['kind'] };
}

export function metricTitle({ kind, evaluator }: Pick<Metric, 'kind' | 'evaluator'>): string {
  if (evaluator) return `Score: ${evaluator}`;
  const text = kind.toLowerCase().replaceAll('_', ' ');
  return text[0]!.toUpperCase() + text.slice(1);
}

/** Say where a figure comes from and what it covers. */
export function originOf(aggregate: { basis: string; population: string; complete: boolean }): string {
  const population = aggregate.population.toLowerCase().replaceAll('_', ' ');
  const by = aggregate.basis === 'REPORTED' ? 'reported by the vendor' : 'computed by the gateway';
  return `${by}, over ${population}${aggregate.complete ? '' : ', not all of them'}`;
}
