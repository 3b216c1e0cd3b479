// Builds src/ into the Python package that serves it: split by page, each file name with a hash of its content.
import { createHash } from 'node:crypto';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { type GraphQLSchema, buildSchema, isInterfaceType, isObjectType, parse } from 'graphql';
import { defineConfig, type Plugin } from 'vite';

const here = import.meta.dirname;
const target = join(here, '../src/tracegraph/http/pages');

/** What Graphcache needs of the schema, and the hash of each document by the name of its operation. */
function graphqlModules(): Plugin {
  const modules: Record<string, () => Promise<unknown>> = {
    'virtual:types': async () => typesOf(buildSchema(await readFile(join(here, '../schema.graphql'), 'utf8'))),
    'virtual:hashes': async () => {
      const documents = JSON.parse(await readFile(join(here, 'src/generated/persisted-documents.json'), 'utf8'));
      return Object.fromEntries(
        Object.entries<string>(documents).map(([hash, text]) => [operationName(text), hash.replace('sha256:', '')]),
      );
    },
  };
  return {
    name: 'graphql-modules',
    resolveId: (id) => (id in modules ? `\0${id}` : undefined),
    load: async (id) => {
      const read = modules[id.slice(1)];
      return read && `export default ${JSON.stringify(await read())}`;
    },
  };
}

/** Return the objects without an ID, which are part of the object that holds them, and the types of each interface. */
function typesOf(schema: GraphQLSchema) {
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
  const objects = types.filter(isObjectType).filter((type) => type !== schema.getQueryType());
  const namesOf = (some: readonly { name: string }[]) => some.map(({ name }) => name).sort();
  return {
    embedded: namesOf(objects.filter((type) => !('id' in type.getFields()))),
    possible: Object.fromEntries(
      types.filter(isInterfaceType).map((type) => [type.name, namesOf(schema.getPossibleTypes(type))]),
    ),
  };
}

function operationName(text: string): string {
  const names = parse(text).definitions.flatMap((node) =>
    node.kind === 'OperationDefinition' && node.name ? [node.name.value] : [],
  );
  if (names.length !== 1) throw new Error(`one named operation is needed: ${text.slice(0, 80)}`);
  return names[0]!;
}

/** Writes what the package needs beside the assets: trusted documents, licences, checksums of the sources. */
function packageFiles(): Plugin {
  return {
    name: 'package-files',
    buildStart: () => rm(join(target, 'assets'), { recursive: true, force: true }),
    async generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
      await writeFile(join(target, 'THIRD-PARTY-LICENSES.txt'), await licences(modules));
      const documents = await readFile(join(here, 'src/generated/persisted-documents.json'), 'utf8');
      await writeFile(join(target, 'documents.json'), `${documents.trim()}\n`);
      // A test compares these with the files, so that a change without a build shows.
      await writeFile(join(target, 'SOURCES.sha256'), (await Promise.all((await sources()).map(checksum))).join(''));
    },
  };
}

async function sources(): Promise<string[]> {
  const entries = await readdir(join(here, 'src'), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(here.length + 1));
  const own = ['codegen.ts', 'index.html', 'package-lock.json', 'tsconfig.json', 'vite.config.ts'];
  return [...own, ...files.filter((name) => !name.startsWith('src/generated/'))].sort();
}

async function checksum(name: string): Promise<string> {
  return `${createHash('sha256')
    .update(await readFile(join(here, name)))
    .digest('hex')}  ${name}\n`;
}

/** Return the licences of every package in the output. */
async function licences(modules: string[]): Promise<string> {
  const folders = new Set(modules.flatMap((id) => id.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []));
  const texts = await Promise.all([...folders].sort().map(licence));
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

async function licence(folder: string): Promise<string> {
  const { name, version, license, homepage, repository } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  );
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  const parts = [`${name} ${version} (${license})\n${homepage ?? repository?.url ?? repository}`, ...texts];
  return `${parts.map((part) => part.trim()).join('\n\n')}\n`.replace(/\r\n?/g, '\n').replace(/[ \t]+$/gm, '');
}

export default defineConfig({
  root: here,
  base: './', // the gateway may stand behind a proxy with a path of its own
  plugins: [react(), graphqlModules(), packageFiles()],
  build: {
    outDir: target,
    emptyOutDir: false, // the folder has the Python module that serves the files
    assetsInlineLimit: 0, // the content security policy allows no data URLs
    modulePreload: { polyfill: false },
    target: 'es2023',
  },
  server: { proxy: { '/graphql': 'http://127.0.0.1:8000' } },
});
