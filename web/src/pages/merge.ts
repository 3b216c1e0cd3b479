// One order over the lists of several sources, of which each is in that order and may continue.
import type { ExperimentOrder, ExperimentRowFragment } from '../generated/graphql';

export type Row = ExperimentRowFragment;

/** One source's rows so far, and whether it has more. */
export interface Loaded {
  rows: readonly Row[];
  hasMore: boolean;
}

type SortValue = string | number | null;

const columns = { MEAN: 'mean', MEDIAN: 'median', SUM: 'sum' } as const;
export type ListStatistic = keyof typeof columns;

/** Return the figure of a metric that the vendor reports. */
export const reported = (row: Row, kind: string, evaluator: string | null = null) =>
  row.aggregates?.find(({ metric }) => metric.kind === kind && metric.evaluator === evaluator);

function sortValue(row: Row, order: ExperimentOrder): SortValue {
  switch (order.field) {
    case 'CREATED_AT':
      return comparableTime(row.createdAt);
    case 'UPDATED_AT':
      return comparableTime(row.updatedAt);
    case 'NAME':
      return row.name.toLowerCase();
    case 'SESSION_COUNT':
      return row.sessionCount;
    case 'METRIC': {
      const { kind, evaluator } = order.metric!;
      return reported(row, kind, evaluator ?? null)?.[columns[order.statistic as ListStatistic]] ?? null;
    }
  }
}

/** Times have up to six digits after the second: 09:30:00Z is before 09:30:00.5Z. */
const comparableTime = (time: string | null) =>
  time && time.replace(/(?:\.(\d+))?Z$/, (_, digits = '') => `.${digits.padEnd(6, '0')}`);

/** Compare as the gateway does: missing values last in both directions, equal ones by source and the vendor's order. */
function comparator(order: ExperimentOrder): (a: Row, b: Row) => number {
  const sign = order.direction === 'ASC' ? 1 : -1;
  return (one, other) => {
    const [a, b] = [sortValue(one, order), sortValue(other, order)];
    if (a === b) return one.source.name < other.source.name ? -1 : 1;
    if (a === null || b === null) return a === null ? 1 : -1;
    return (a < b ? -1 : 1) * sign;
  };
}

/**
 * Merge the lists as far as their order is certain: up to the end of the first list that continues.
 *
 * Returns the rows, and the index of the list that has to be read on, or -1 when every list is at its end.
 */
export function merge(lists: readonly Loaded[], order: ExperimentOrder): { rows: Row[]; next: number } {
  const compare = comparator(order);
  const positions = lists.map(() => 0);
  const rows: Row[] = [];
  for (;;) {
    let first = -1;
    for (const [index, list] of lists.entries()) {
      const row = list.rows[positions[index]!];
      if (!row && list.hasMore) return { rows, next: index };
      if (row && (first < 0 || compare(row, lists[first]!.rows[positions[first]!]!) < 0)) first = index;
    }
    if (first < 0) return { rows, next: -1 };
    rows.push(lists[first]!.rows[positions[first]!++]!);
  }
}
