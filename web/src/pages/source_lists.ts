// The lists of experiments of several sources. Each has its own cursor: a slow source keeps no other's rows back.
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Client, type OperationResult, useClient } from 'urql';
import { type Failure, failure, failureAt } from '../client';
import type { ExperimentFilter, ExperimentOrder, FirstPagesQuery, SourcePageQuery } from '../generated/graphql';
import { FirstPages, SourcePage } from '../queries';

const PAGE = 25;

type Source = Extract<NonNullable<SourcePageQuery['node']>, { experiments?: unknown }>;
export type Page = NonNullable<Source['experiments']>;

export interface SourceList {
  pages: Page[];
  /** The time of the request that runs, by Date.now(). */
  since: number | null;
  failure: Failure | null;
}

/** A page, or why there is none. */
interface Read {
  page: Page | null;
  problem: Failure | null;
}

const EMPTY: SourceList = { pages: [], since: null, failure: null };
const NO_LIST: Failure = { code: 'NOT_FOUND', message: 'The gateway has no such source.' };

/** How many pages each list had when its visitor left it: the way back restores them from the cache. */
const depths = new Map<string, number>();

async function readPage(client: Client, id: string, variables: object, after: string | null, fresh: boolean) {
  const options = { requestPolicy: fresh ? 'network-only' : 'cache-first' } as const;
  const { data, error } = await client.query(SourcePage, { id, first: PAGE, after, ...variables }, options).toPromise();
  const page = data?.node && 'experiments' in data.node ? data.node.experiments : null;
  return { page: page ?? null, problem: error && !page ? failure(error) : page ? null : NO_LIST };
}

type Result = Pick<OperationResult<FirstPagesQuery>, 'data' | 'error' | 'hasNext'>;

/** Return the first page of a source, or undefined while its part of the response has not come. */
function firstPage(result: Result, index: number): Read | undefined {
  const node = result.data?.nodes[index];
  const page = node && 'experiments' in node ? node.experiments : null;
  if (page) return { page, problem: null };
  const problem = result.error && failureAt(result.error, ['nodes', index]);
  if (problem) return { page: null, problem };
  return result.hasNext ? undefined : { page: null, problem: result.error ? failure(result.error) : NO_LIST };
}

/** Read the first page of every source with one operation, and call `settle` once for each, as they come. */
function readFirstPages(
  client: Client,
  ids: readonly string[],
  variables: object,
  settle: (id: string, read: Read) => void,
): () => void {
  const waiting = new Set(ids);
  function take(result: Result): void {
    ids.forEach((id, index) => {
      const read = waiting.has(id) ? firstPage(result, index) : undefined;
      if (!read) return;
      waiting.delete(id);
      settle(id, read);
    });
  }
  const all = { ids: [...ids], first: PAGE, ...variables };
  // urql does not send an operation of which the cache has some parts, so this asks the cache by itself.
  const cached = client.readQuery(FirstPages, all, { requestPolicy: 'cache-only' });
  if (cached?.data) take({ data: cached.data, error: undefined, hasNext: true });
  if (!waiting.size) return () => undefined;
  const parts = client.query(FirstPages, all, { requestPolicy: 'network-only' }).subscribe((result) => {
    take(result);
    // A retry of one source changes the cache. A query that still listened would then be sent again for all of them.
    if (!result.hasNext) queueMicrotask(() => parts.unsubscribe());
  });
  return () => parts.unsubscribe();
}

/** Return the lists by the source's ID, and a function that reads a list on, or its incomplete page again. */
export function useSourceLists(ids: readonly string[], filter: ExperimentFilter, orderBy: ExperimentOrder) {
  const client = useClient();
  const [lists, setLists] = useState<Record<string, SourceList>>({});
  const variables = JSON.stringify({ filter, orderBy });
  const current = useRef('');
  const pages = useRef<Record<string, Page[]>>({});

  const show = useCallback(
    (id: string, change: Partial<SourceList>) =>
      setLists((all) => ({ ...all, [id]: { ...(all[id] ?? EMPTY), ...change } })),
    [],
  );
  const settle = useCallback(
    (id: string, before: Page[], { page, problem }: Read) => {
      const known = (pages.current[id] = page ? [...before, page] : before);
      depths.set(id + variables, known.length);
      show(id, { pages: known, since: null, failure: problem });
    },
    [show, variables],
  );
  const read = useCallback(
    async (id: string, { again = false } = {}) => {
      const query = current.current;
      const before = pages.current[id] ?? [];
      // A page that is not complete is read again in its place; a page that failed is not there yet.
      const loaded =
        again && before.at(-1)?.sources.some(({ status }) => status !== 'OK') ? before.slice(0, -1) : before;
      show(id, { since: Date.now(), failure: null });
      const after = loaded.at(-1)?.pageInfo.endCursor ?? null;
      const result = await readPage(client, id, JSON.parse(variables), after, again);
      if (current.current === query) settle(id, loaded, result);
    },
    [client, variables, show, settle],
  );

  const sources = ids.join(' ');
  useEffect(() => {
    const query = (current.current = `${variables} ${sources} ${Math.random()}`);
    const names = sources.split(' ').filter(Boolean);
    pages.current = {};
    setLists(Object.fromEntries(names.map((id) => [id, { ...EMPTY, since: Date.now() }])));
    async function readOn(id: string, depth: number): Promise<void> {
      for (let page = 1; page < depth && current.current === query; page++) await read(id);
    }
    const deep = new Map(names.map((id) => [id, depths.get(id + variables) ?? 1]));
    return readFirstPages(client, names, JSON.parse(variables), (id, result) => {
      settle(id, [], result);
      if (result.page) void readOn(id, deep.get(id)!);
    });
  }, [client, read, settle, sources, variables]);

  return { lists, read };
}
