// Figures as people read them. The element itself has the exact value that the API gave.
import type { MetricUnit } from './generated/graphql';

export type Unit = MetricUnit | 'COUNT';

const plain = (digits: number) => new Intl.NumberFormat('en', { maximumFractionDigits: digits });
const significant = (digits: number) => new Intl.NumberFormat('en', { maximumSignificantDigits: digits });
const whole = plain(0);
const tenths = plain(1);
const hundredths = plain(2);
const thousandths = plain(3);
const three = significant(3);
const four = significant(4);

/** Return a figure with its unit. A value that is not zero never reads as zero. */
export function figure(value: number, unit: Unit): string {
  if (value < 0) return `−${figure(-value, unit)}`;
  switch (unit) {
    case 'MILLISECONDS':
      if (value >= 100_000) return `${whole.format(value / 1000)} s`;
      return value >= 1000 ? `${hundredths.format(value / 1000)} s` : `${three.format(value)} ms`;
    case 'USD':
      return value >= 1
        ? `$${value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
        : `$${three.format(value)}`;
    case 'TOKENS':
      return `${value >= 1000 ? whole.format(value) : four.format(value)} ${value === 1 ? 'token' : 'tokens'}`;
    case 'RATIO':
      return `${three.format(value * 100)} %`;
    case 'SCORE':
      return value >= 0.001 || value === 0 ? thousandths.format(value) : three.format(value);
    case 'COUNT':
      return value >= 0.1 || value === 0 ? tenths.format(value) : three.format(value);
  }
}

/** Return a difference, with its sign. That of two ratios is in percentage points. */
export function difference(value: number, unit: Unit): string {
  const text = unit === 'RATIO' ? figure(value, unit).replace('%', 'pp') : figure(value, unit);
  return value > 0 ? `+${text}` : text;
}

/** Return the unit of a statistic: a sum of error rates is a number of errors. */
export function unitOf(unit: MetricUnit, statistic: string): Unit {
  const isNumber = statistic.toUpperCase() === 'COUNT' || (statistic.toUpperCase() === 'SUM' && unit === 'RATIO');
  return isNumber ? 'COUNT' : unit;
}

interface ValueProps {
  value: number | null | undefined;
  unit: Unit;
  signed?: boolean;
  note?: string;
}

/** A figure, or a dash where there is none. The tip has the exact value and where it comes from. */
export function Value({ value, unit, signed = false, note }: ValueProps) {
  if (value === null || value === undefined) return <Missing />;
  const tip = [`${value}`, note].filter(Boolean).join(' · ');
  return (
    <data value={String(value)} title={tip}>
      {(signed ? difference : figure)(value, unit)}
    </data>
  );
}

interface ScoreProps {
  score: { value: number | null; label: string | null; failed: boolean };
}

/** What an evaluator gave: a number, a label, or both. */
export function Score({ score: { value, label, failed } }: ScoreProps) {
  if (failed) return <span>could not judge</span>;
  return (
    <>
      {(value !== null || !label) && <Value value={value} unit="SCORE" />} {label && <span className="tag">{label}</span>}
    </>
  );
}

export function Missing() {
  return (
    <span className="missing">
      <span aria-hidden="true">–</span>
      <span className="unseen">no value</span>
    </span>
  );
}

const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/**
 * Return a name that can be seen and clicked, also where a vendor's consists of blanks.
 *
 * It does not turn the direction of the text beside it: signs of direction are left out, and a name that is written
 * from right to left is isolated. Digits beside it would be read backwards otherwise.
 */
export function shownName(name: string): string {
  const text = name.replace(DIRECTION, '');
  if (!/[^\p{C}\p{Z}]/u.test(text)) return '(no name)';
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const times = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** A time in the visitor's zone. The tip has the API's own text, which is UTC. */
export function Time({ value, exact = false }: { value: string | null | undefined; exact?: boolean }) {
  if (!value) return <Missing />;
  return (
    <time dateTime={value} title={value}>
      {(exact ? times : dates).format(new Date(value))}
    </time>
  );
}

/** Return a constant of the API as words: TOTAL_TOKENS becomes total tokens. */
export const words = (constant: string) => constant.toLowerCase().replaceAll('_', ' ');
