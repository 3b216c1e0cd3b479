// Prints, as JSON, what Relay's four rules say of a schema: node relay-rules.mjs schema.graphql
import { dirname, resolve } from 'node:path';
import graphqlPlugin from '@graphql-eslint/eslint-plugin';
import { ESLint } from 'eslint';

const schema = resolve(process.argv[2]);
const eslint = new ESLint({
  cwd: dirname(schema),
  overrideConfigFile: true,
  overrideConfig: [
    {
      files: ['**/*.graphql'],
      languageOptions: {
        parser: graphqlPlugin.parser,
        parserOptions: { graphQLConfig: { schema } },
      },
      plugins: { '@graphql-eslint': graphqlPlugin },
      rules: {
        '@graphql-eslint/relay-arguments': 'error',
        '@graphql-eslint/relay-connection-types': 'error',
        '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
        '@graphql-eslint/relay-page-info': 'error',
      },
    },
  ],
});

const [result] = await eslint.lintFiles([schema]);
const complaints = result.messages.map(({ line, ruleId, message }) => ({ line, ruleId, message }));
process.stdout.write(JSON.stringify({ complaints, suppressed: result.suppressedMessages.length }));
