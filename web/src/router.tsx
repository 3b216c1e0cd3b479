// The address is the state of a page: filters, orders and selections are in it, so that it can be sent to others.
import { type AnchorHTMLAttributes, type MouseEvent, useCallback, useMemo, useSyncExternalStore } from 'react';

/** The path that a proxy in front of the gateway adds, without a slash at its end. */
export const prefix = document.getElementById('pages')?.dataset['prefix'] ?? '';

const changed = 'tracegraph:address';

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener);
  window.addEventListener(changed, listener);
  return () => {
    window.removeEventListener('popstate', listener);
    window.removeEventListener(changed, listener);
  };
}

/** Return the path below the prefix and the query of the address. */
export function useAddress(): { path: string; search: string } {
  const href = useSyncExternalStore(subscribe, () => window.location.pathname + window.location.search);
  const url = new URL(href, window.location.origin);
  return { path: url.pathname.slice(prefix.length) || '/', search: url.search };
}

/** Open an address below the prefix. `replace` keeps the history as it is, for a change within the page. */
export function navigate(address: string, { replace = false } = {}): void {
  window.history[replace ? 'replaceState' : 'pushState'](null, '', prefix + address);
  window.dispatchEvent(new Event(changed));
  if (!replace) window.scrollTo(0, 0);
}

export type Parameters = Record<string, string | null>;

/** Return the address with some parameters set, or without those that are null. */
export function withParameters(path: string, search: string | URLSearchParams, changes: Parameters): string {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') parameters.delete(name);
    else parameters.set(name, value);
  }
  const text = parameters.toString().replaceAll('%2C', ',');
  return text ? `${path}?${text}` : path;
}

/** Return the parameters of the address, and a function that changes some of them. Each change is a step back. */
export function useParameters(): [URLSearchParams, (changes: Parameters, options?: { replace: boolean }) => void] {
  const { path, search } = useAddress();
  const parameters = useMemo(() => new URLSearchParams(search), [search]);
  const change = useCallback(
    (changes: Parameters, { replace } = { replace: false }) => {
      const address = withParameters(path, window.location.search, changes);
      window.history[replace ? 'replaceState' : 'pushState'](null, '', prefix + address);
      window.dispatchEvent(new Event(changed));
    },
    [path],
  );
  return [parameters, change];
}

export function list(parameters: URLSearchParams, name: string): string[] {
  return parameters.get(name)?.split(',').filter(Boolean) ?? [];
}

/** Return a value of the address, or the fallback where it is none of those that the page knows. */
export function oneOf<T extends string>(value: string | null, known: readonly T[], fallback: T): T {
  return known.find((one) => one === value) ?? fallback;
}

/** Decode a part of a path. A part that is not encoded as addresses are is returned unchanged. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const experimentPath = (id: string) => `/experiments/${encodeURIComponent(id)}`;
export const sessionPath = (id: string) => `/sessions/${encodeURIComponent(id)}`;

export function Link({ to, onClick, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  function follow(event: MouseEvent<HTMLAnchorElement>): void {
    onClick?.(event);
    const elsewhere = event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (elsewhere || event.defaultPrevented) return;
    event.preventDefault();
    navigate(to);
  }
  return <a href={prefix + to} onClick={follow} {...rest} />;
}
