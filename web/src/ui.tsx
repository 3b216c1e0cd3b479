// The parts that several pages share.
import * as Popover from '@radix-ui/react-popover';
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { Failure } from './client';

export function Loading({ what }: { what: string }) {
  return (
    <p role="status" className="loading">
      Loading {what}…
    </p>
  );
}

/** These say that the address itself is wrong, which no retry changes. */
const DEFINITIVE = new Set(['INVALID_ID', 'BAD_USER_INPUT', 'QUERY_TOO_COMPLEX']);

/** A failure with its reason, and a retry where one may help. */
export function Failed({ what, failure, retry }: { what: string; failure: Failure; retry?: () => void }) {
  return (
    <div role="alert" className="failed">
      <p>
        <strong>{what}</strong> <code>{failure.code}</code>
      </p>
      <p>{failure.message}</p>
      {retry && !DEFINITIVE.has(failure.code) && <button onClick={retry}>Try again</button>}
    </div>
  );
}

interface ReportLike {
  source: { id: string; name: string };
  status: string;
  error: Failure | null;
}

/** The sources that are missing from a page, or that are on it with old or partial rows. */
export function Reports({ reports, retry }: { reports: readonly ReportLike[]; retry: () => void }) {
  const states: Record<string, string> = {
    FAILED: 'is missing here.',
    STALE: 'failed: its older rows are shown.',
    SCAN_LIMITED: 'has more rows than one request reads: narrow the filter.',
  };
  return reports.map(({ source, status, error }) => {
    const text = `${source.name} ${states[status]}`;
    if (status === 'OK') return null;
    if (error) return <Failed key={source.id} what={text} failure={error} retry={retry} />;
    return (
      <p key={source.id} className="remark">
        {text}
      </p>
    );
  });
}

export interface Option {
  value: string;
  label: string;
  count?: number;
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
}

export function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <label className="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}

interface MenuProps {
  label: string;
  /** Undefined while they are on their way, null when they could not be read. */
  options: readonly Option[] | null | undefined;
  selected: readonly string[];
  onChange: (selected: string[]) => void;
  remark?: string | undefined;
}

/** A filter by some of several values. Values of a shared address stay, also where the menu does not have them. */
export function Menu({ label, options, selected, onChange, remark }: MenuProps) {
  const known = new Set(options?.map(({ value }) => value));
  const extra = selected
    .filter((value) => !known.has(value))
    .map((value) => ({ value, label: value, count: undefined }));
  const toggle = (value: string) =>
    onChange(selected.includes(value) ? selected.filter((other) => other !== value) : [...selected, value]);
  return (
    <Popover.Root>
      <Popover.Trigger className={selected.length ? 'menu chosen' : 'menu'}>
        {label}
        {selected.length > 0 && <span className="count">{selected.length}</span>}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover" sideOffset={4} collisionPadding={8} aria-label={label}>
          {options === undefined && <Loading what="values" />}
          {options === null && <p>The values could not be read.</p>}
          {options?.length === 0 && <p>No values.</p>}
          {[...(options ?? []), ...extra].map(({ value, label: text, count }) => (
            <label key={value} className="option">
              <input type="checkbox" checked={selected.includes(value)} onChange={() => toggle(value)} />
              <span>{text}</span>
              {count !== undefined && <span className="count">{count}</span>}
            </label>
          ))}
          {remark && <p className="remark">{remark}</p>}
          {selected.length > 0 && <button onClick={() => onChange([])}>Clear</button>}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
}

/** A text that counts when the visitor stops to type. */
export function Search({ label, value, onChange }: SearchProps) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    // The address changed elsewhere, as by the back button.
    if (value !== sent.current) setText((sent.current = value));
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return undefined;
    const timer = setTimeout(() => onChange((sent.current = text)), 300);
    return () => clearTimeout(timer);
  });
  return (
    <label className="field grow">
      <span>{label}</span>
      <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
    </label>
  );
}

export interface Column<Row> {
  name: string;
  head: string;
  cell: (row: Row) => ReactNode;
  /** The name of the order that the heading switches on. */
  order?: string;
  numeric?: boolean;
}

export interface Order {
  by: string;
  direction: 'ASC' | 'DESC';
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  selected?: (row: Row) => boolean;
  order?: Order;
  onOrder?: (by: string) => void;
}

/** A table that becomes a list of cards on a narrow page. The roles keep it a table for screen readers there. */
export function Table<Row>({ caption, columns, rows, rowKey, selected, order, onOrder }: TableProps<Row>) {
  const sorting = order?.direction === 'ASC' ? 'ascending' : 'descending';
  return (
    <div className="scroll">
      <table role="table">
        <caption className="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => {
              const isOrder = order !== undefined && column.order === order.by;
              const className = column.numeric ? 'numeric' : undefined;
              return (
                <th
                  key={column.name}
                  role="columnheader"
                  scope="col"
                  className={className}
                  aria-sort={isOrder ? sorting : undefined}
                >
                  {column.order && onOrder ? (
                    <button className="heading" onClick={() => onOrder(column.order!)}>
                      {column.head}
                      <span aria-hidden="true">{isOrder ? (sorting === 'ascending' ? ' ↑' : ' ↓') : ''}</span>
                    </button>
                  ) : (
                    column.head
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row" className={selected?.(row) ? 'chosen' : undefined}>
              {columns.map((column) => (
                <td
                  key={column.name}
                  role="cell"
                  className={`col-${column.name}${column.numeric ? ' numeric' : ''}`}
                  data-label={column.head}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Loads more when it comes into view, unless something stands below it. It is a button, for those who do not scroll. */
export function More({
  onMore,
  busy,
  onlyByClick = false,
}: {
  onMore: () => void;
  busy: boolean;
  onlyByClick?: boolean;
}) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (onlyByClick) return undefined;
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && !busy && onMore(),
      {
        rootMargin: '400px',
      },
    );
    observer.observe(button.current!);
    return () => observer.disconnect();
  }, [onMore, busy, onlyByClick]);
  return (
    <button ref={button} className="more" disabled={busy} onClick={onMore}>
      {busy ? 'Loading more…' : 'Load more'}
    </button>
  );
}

/** Asks for the key that a gateway with `[auth]` requires. */
export function KeyDialog({ wrong, onKey }: { wrong: boolean; onKey: (key: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const [key, setKey] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  function keep(event: KeyboardEvent<HTMLDialogElement>): void {
    // Without a key there is nothing behind the dialog.
    if (event.key === 'Escape') event.preventDefault();
  }
  return (
    <dialog ref={dialog} aria-labelledby={title} onKeyDown={keep} onCancel={(event) => event.preventDefault()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onKey(key.trim());
        }}
      >
        <h2 id={title}>This gateway needs a key</h2>
        {wrong && <p role="alert">The gateway did not accept the key.</p>}
        <p>Enter an API key or a token. It stays in this tab until you close it.</p>
        <label className="field">
          <span>Key</span>
          <input
            type="password"
            autoComplete="off"
            required
            pattern="\s*[\x21-\x7e]+\s*"
            title="A key has no blanks, and no signs outside ASCII."
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <button className="primary">Continue</button>
      </form>
    </dialog>
  );
}
