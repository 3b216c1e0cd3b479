declare module 'virtual:schema' {
  import type { CacheExchangeOpts } from '@urql/exchange-graphcache';
  const schema: NonNullable<CacheExchangeOpts['schema']>;
  export default schema;
}

declare module 'virtual:hashes' {
  const hashes: Record<string, string>;
  export default hashes;
}
