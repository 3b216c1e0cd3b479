// Builds src/ into the Python package that serves it: minified, split, each file name with a hash of its content.
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, '../../src/tracegraph/http/playground');
const assets = join(target, 'assets');

/** GraphiQL's style sheet contains Monaco's, so the style sheets that Monaco's modules import are left out. */
const monacoStyleOnce = {
  name: 'monaco-style-once',
  setup({ onLoad }) {
    onLoad({ filter: /monaco-editor\/.*\.css$/ }, () => ({ contents: '', loader: 'empty' }));
  },
};

/** GraphiQL inlines 35 font faces as data; playground.css has the few fonts in use as files. */
const withoutInlineFonts = {
  name: 'without-inline-fonts',
  setup({ onLoad }) {
    onLoad({ filter: /graphiql\/dist\/style\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace(/@font-face\s*\{[^}]*\}/g, ''),
      loader: 'css',
    }));
  },
};

/** The checker of the variables pane requires every non-null variable, even one with a default: GraphQL does not. */
const optionalVariables = {
  name: 'optional-variables',
  setup({ onLoad }) {
    onLoad({ filter: /graphql-language-service\/.*\/collectVariables\.js$/ }, async ({ path }) => {
      const code = await readFile(path, 'utf8');
      const changes = [
        ['{ variable, type } of', '{ variable, type: declared, defaultValue } of'],
        [
          'const inputType =',
          'const type = defaultValue && declared.kind === Kind.NON_NULL_TYPE ? declared.type : declared;\nconst inputType =',
        ],
      ];
      return { contents: changes.reduce(replaceOnce, code), loader: 'js' };
    });
  },
};

/** Replace the one occurrence, or fail: a new release of the package may need another change. */
function replaceOnce(code, [old, replacement]) {
  const parts = code.split(old);
  if (parts.length !== 2) throw new Error(`expected one ${JSON.stringify(old)}, not ${parts.length - 1}`);
  return parts.join(replacement);
}

/** Return the licences of every package in the output. */
async function licences(inputs) {
  const folders = new Set(inputs.map((input) => input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0]));
  folders.delete(undefined);
  const texts = await Promise.all([...folders].sort().map((folder) => licence(join(here, folder))));
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

async function licence(folder) {
  const { name, version, license, homepage, repository } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  );
  const origin = homepage ?? repository?.url ?? repository;
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|thirdparty)/i.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  const extra = name === 'monaco-editor' ? ['Its icon font, Codicons: (c) Microsoft Corporation, CC-BY-4.0.'] : [];
  const parts = [`${name} ${version} (${license})\n${origin}`, ...extra, ...texts];
  return `${parts.map((part) => part.trim()).join('\n\n')}\n`.replace(/\r\n?/g, '\n').replace(/[ \t]+$/gm, '');
}

await rm(assets, { recursive: true, force: true });
await mkdir(assets, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: [
    'src/playground.jsx',
    'src/playground.css',
    'src/icon.svg',
    'src/editor.worker.js',
    'src/graphql.worker.js',
    'src/json.worker.js',
  ],
  outdir: assets,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  preserveSymlinks: true, // a file name is the same wherever node_modules is
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  metafile: true,
  define: { 'process.env.NODE_ENV': '"production"' },
  jsx: 'automatic',
  loader: { '.svg': 'copy', '.ttf': 'file', '.woff2': 'file' },
  alias: {
    // One copy of Prettier's GraphQL, and a page of code instead of its 540 kB for JSON.
    'prettier/parser-graphql': 'prettier/plugins/graphql',
    'prettier/parser-babel': './src/prettier-jsonc.js',
    'prettier/plugins/estree': './src/prettier-jsonc.js',
  },
  plugins: [monacoStyleOnce, withoutInlineFonts, optionalVariables],
  external: ['graphql-ws'], // GraphiQL would load it for subscriptions, which the gateway has not
  logLevel: 'warning',
});

/** Return the output's name for a file in src. */
function built(source) {
  const [path] = Object.entries(metafile.outputs).find(([, { inputs }]) => `src/${source}` in inputs);
  return basename(path);
}

const names = {
  icon: built('icon.svg'),
  style: built('playground.css'),
  script: built('playground.jsx'),
  editorWorker: built('editor.worker.js'),
  graphqlWorker: built('graphql.worker.js'),
  jsonWorker: built('json.worker.js'),
};
const page = await readFile(join(here, 'src/index.html'), 'utf8');
await writeFile(join(target, 'index.html'), page.replace(/\{(\w+)\}/g, (slot, name) => names[name] ?? slot));
const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
await writeFile(join(target, 'THIRD-PARTY-LICENSES.txt'), await licences(used));

// A test compares these with the files, so that a change without a build shows.
const sources = ['../package-lock.json', 'build.mjs', ...(await readdir(join(here, 'src'))).sort().map((name) => `src/${name}`)];
await writeFile(join(target, 'SOURCES.sha256'), (await Promise.all(sources.map(checksum))).join(''));

/** Return the line that sha256sum writes for a source. */
async function checksum(name) {
  return `${createHash('sha256').update(await readFile(join(here, name))).digest('hex')}  ${name}\n`;
}

const sizes = await Promise.all((await readdir(assets)).map(async (name) => (await stat(join(assets, name))).size));
const kilobytes = Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1000);
console.log(`${sizes.length} files, ${kilobytes} kB`);
