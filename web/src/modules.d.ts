declare module 'virtual:types' {
  const types: { embedded: string[]; possible: Record<string, string[]> };
  export default types;
}

declare module 'virtual:hashes' {
  const hashes: Record<string, string>;
  export default hashes;
}
