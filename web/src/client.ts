// The connection to the gateway: its cache, its trusted documents, and the key that a visitor may have to give.
import { cacheExchange } from '@urql/exchange-graphcache';
import hashes from 'virtual:hashes';
import schema from 'virtual:schema';
import { Client, type CombinedError, fetchExchange, makeOperation, mapExchange } from 'urql';
import { prefix } from './router';

const KEY = 'tracegraph-key';
const refused = 'tracegraph:refused';

// Only the tab's session has the key: it ends with the tab, and no other tab sees it.
export const storedKey = (): string | null => window.sessionStorage.getItem(KEY);

export function storeKey(key: string | null): void {
  if (key) window.sessionStorage.setItem(KEY, key);
  else window.sessionStorage.removeItem(KEY);
}

/** Call the listener when the gateway refuses a request for want of a key. */
export function onRefused(listener: () => void): () => void {
  window.addEventListener(refused, listener);
  return () => window.removeEventListener(refused, listener);
}

/** The pages send hashes only: the gateway trusts their documents, also where it trusts no others. */
const trustedDocuments = mapExchange({
  onOperation(operation) {
    const definition = operation.query.definitions.find((node) => node.kind === 'OperationDefinition');
    const name = definition && 'name' in definition ? definition.name?.value : undefined;
    const sha256Hash = name && hashes[name];
    if (operation.kind !== 'query' || !sha256Hash) return operation;
    const named = makeOperation(operation.kind, operation);
    named.extensions = { ...operation.extensions, persistedQuery: { version: 1, sha256Hash } };
    return named;
  },
  onError(error) {
    if (codes(error).includes('UNAUTHENTICATED')) window.dispatchEvent(new Event(refused));
  },
});

/** Objects without an ID are part of the object that holds them. */
function embedded(): Record<string, () => null> {
  const types = (
    schema as unknown as { __schema: { types: { kind: string; name: string; fields?: { name: string }[] }[] } }
  ).__schema.types;
  const without = types.filter(({ kind, fields }) => kind === 'OBJECT' && !fields?.some(({ name }) => name === 'id'));
  return Object.fromEntries(without.map(({ name }) => [name, () => null]));
}

export function createClient(): Client {
  return new Client({
    url: `${window.location.origin}${prefix}/graphql`,
    preferGetMethod: false,
    fetchOptions: () => {
      const key = storedKey();
      return key ? { headers: { Authorization: `Bearer ${key}` } } : {};
    },
    exchanges: [cacheExchange({ schema, keys: embedded() }), trustedDocuments, fetchExchange],
  });
}

export interface Failure {
  code: string;
  message: string;
}

function codes(error: CombinedError): string[] {
  return error.graphQLErrors.map(({ extensions }) => String(extensions['code']));
}

/** Return why a request or a field of it failed: the gateway's own sentence where it sent one. */
export function failure(error: CombinedError): Failure {
  const [first] = error.graphQLErrors;
  return first
    ? { code: String(first.extensions['code']), message: first.message }
    : { code: 'NETWORK', message: 'The gateway does not respond.' };
}
