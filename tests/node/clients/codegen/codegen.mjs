// docs: codegen-config
/** @type {import('@graphql-codegen/cli').CodegenConfig} */
export default {
  schema: 'schema.graphql',
  documents: ['src/*.ts'],
  emitLegacyCommonJSImports: false,
  generates: {
    'src/generated/': {
      preset: 'client',
      presetConfig: { persistedDocuments: { hashAlgorithm: 'sha256' } },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { DateTime: 'string', JSON: 'unknown' },
        useTypeImports: true,
      },
    },
  },
};
// docs end
