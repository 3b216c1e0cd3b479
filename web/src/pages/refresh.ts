// A page that follows an experiment asks again from time to time.
import { useEffect, useState } from 'react';

const REFRESH_MS = 10_000;

/** Return a number that grows while the visitor wants the page to follow the experiment. */
export function useTicks(isOn: boolean): number {
  const [ticks, setTicks] = useState(0);
  useEffect(() => {
    if (!isOn) return undefined;
    const timer = setInterval(() => !document.hidden && setTicks((before) => before + 1), REFRESH_MS);
    return () => clearInterval(timer);
  }, [isOn]);
  return ticks;
}

/** Run again past the cache whenever the ticks change. The rows that are shown stay until the new ones are there. */
export function useRefresh(ticks: number, again: (options: { requestPolicy: 'network-only' }) => void): void {
  useEffect(() => {
    if (ticks > 0) again({ requestPolicy: 'network-only' });
    // `again` is another function after each change of the variables, which run anyway.
  }, [ticks]);
}
