// The lists of experiments of several sources, each by its own queries: a slow source keeps no other's rows back.
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Client, useClient } from 'urql';
import { type Failure, failure } from '../client';
import type { ExperimentFilter, ExperimentOrder, SourcePageQuery } from '../generated/graphql';
import { SourcePage } from '../queries';

const PAGE = 25;

type Source = Extract<NonNullable<SourcePageQuery['node']>, { experiments?: unknown }>;
export type Page = NonNullable<Source['experiments']>;

export interface SourceList {
  pages: Page[];
  /** The time of the request that runs, by Date.now(). */
  since: number | null;
  failure: Failure | null;
}

const EMPTY: SourceList = { pages: [], since: null, failure: null };

/** How many pages each list had when its visitor left it: the way back restores them from the cache. */
const depths = new Map<string, number>();

async function readPage(client: Client, id: string, variables: object, after: string | null, fresh: boolean) {
  const options = { requestPolicy: fresh ? 'network-only' : 'cache-first' } as const;
  const { data, error } = await client.query(SourcePage, { id, first: PAGE, after, ...variables }, options).toPromise();
  const page = data?.node && 'experiments' in data.node ? data.node.experiments : null;
  const noList = { code: 'NOT_FOUND', message: 'The gateway has no such source.' };
  return { page: page ?? null, problem: error && !page ? failure(error) : page ? null : noList };
}

/** Return the lists by the source's ID, and a function that reads a list on, or its incomplete page again. */
export function useSourceLists(ids: readonly string[], filter: ExperimentFilter, orderBy: ExperimentOrder) {
  const client = useClient();
  const [lists, setLists] = useState<Record<string, SourceList>>({});
  const variables = JSON.stringify({ filter, orderBy });
  const current = useRef('');
  const pages = useRef<Record<string, Page[]>>({});

  const read = useCallback(
    async (id: string, { again = false } = {}) => {
      const query = current.current;
      const show = (change: Partial<SourceList>) =>
        current.current === query && setLists((all) => ({ ...all, [id]: { ...(all[id] ?? EMPTY), ...change } }));
      const before = pages.current[id] ?? [];
      // A page that is not complete is read again in its place; a page that failed is not there yet.
      const loaded =
        again && before.at(-1)?.sources.some(({ status }) => status !== 'OK') ? before.slice(0, -1) : before;
      show({ since: Date.now(), failure: null });
      const after = loaded.at(-1)?.pageInfo.endCursor ?? null;
      const { page, problem } = await readPage(client, id, JSON.parse(variables), after, again);
      if (current.current !== query) return;
      pages.current[id] = page ? [...loaded, page] : loaded;
      depths.set(id + variables, pages.current[id].length);
      show({ pages: pages.current[id], since: null, failure: problem });
    },
    [client, variables],
  );

  const sources = ids.join(' ');
  useEffect(() => {
    current.current = `${variables} ${sources} ${Math.random()}`;
    pages.current = {};
    setLists({});
    for (const id of sources.split(' ').filter(Boolean)) {
      const depth = depths.get(id + variables) ?? 1;
      void (async () => {
        const query = current.current;
        for (let page = 0; page < Math.max(depth, 1) && current.current === query; page++) await read(id);
      })();
    }
  }, [read, sources, variables]);

  return { lists, read };
}
