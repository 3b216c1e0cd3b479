// The cases of a comparison, the largest regressions first, and one of them in full.
import { useState } from 'react';
import { useClient } from 'urql';
import { type Failure, failure, useOwnQuery } from '../../client';
import { Value, words } from '../../format';
import type { CaseKey, CaseOrder, CasesQuery } from '../../generated/graphql';
import { type Metric, metricInput, metricTitle } from '../../metrics';
import { Cases as CasesDocument } from '../../queries';
import { useParameters } from '../../router';
import { Choice, type Column, Failed, Loading, More, Reports, Search, Table } from '../../ui';
import { CaseInFull } from './case';
import { type Compared, OUTCOMES, type Selection, labelsOf, selectionOf } from './selection';

type Metrics = readonly Metric[];
type Connection = NonNullable<NonNullable<CasesQuery['comparison']>['cases']>;
type Case = Connection['nodes'][number];

const PAGE = 10;

const ORDERS: Record<string, { label: string; order: Pick<CaseOrder, 'field' | 'direction'> }> = {
  worst: { label: 'largest regressions first', order: { field: 'DELTA', direction: 'DESC' } },
  best: { label: 'largest improvements first', order: { field: 'DELTA', direction: 'ASC' } },
  largest: { label: 'largest values first', order: { field: 'VALUE', direction: 'DESC' } },
  smallest: { label: 'smallest values first', order: { field: 'VALUE', direction: 'ASC' } },
  key: { label: 'key', order: { field: 'KEY', direction: 'ASC' } },
};

/** Return what the list of cases asks for; the export asks for the same, in larger pages. */
export function caseVariables(selection: Selection, joinOn: CaseKey) {
  const { ids, baseline, metric, outcome, text, order, target } = selection;
  const orderBy = { ...(ORDERS[order] ?? ORDERS['worst']!).order, experimentId: target };
  return { ids, baseline, joinOn, metric: metricInput(metric), outcome, text: text || null, orderBy };
}

/** Cases load page by page: each page continues the one before. */
export function useCases(variables: ReturnType<typeof caseVariables>) {
  const key = JSON.stringify(variables);
  const [cursors, setCursors] = useState<{ key: string; after: string | null; pages: Connection[] }>({
    key,
    after: null,
    pages: [],
  });
  const { after, pages } = cursors.key === key ? cursors : { after: null, pages: [] };
  const [{ data, error, fetching }, again] = useOwnQuery({
    query: CasesDocument,
    variables: { ...variables, first: PAGE, after },
  });
  const last = data?.comparison?.cases;
  const shown = last ? [...pages, last] : pages;
  const more = () => last?.pageInfo.endCursor && setCursors({ key, after: last.pageInfo.endCursor, pages: shown });
  const problem: Failure | null = error && !data?.comparison ? failure(error) : null;
  return {
    pages: shown,
    reports: data?.comparison?.sources ?? [],
    problem,
    fetching,
    more,
    retry: () => again({ requestPolicy: 'network-only' }),
  };
}

interface CasesProps {
  experiments: readonly Compared[];
  baseline: string;
  list: ReturnType<typeof useCases>;
  joinOn: CaseKey;
  metrics: Metrics;
}

export function Cases({ experiments, baseline, list, joinOn, metrics }: CasesProps) {
  const [parameters, change] = useParameters();
  const selection = selectionOf(parameters);
  const { pages, reports, problem, fetching, more, retry } = list;
  const metric = metrics.find(({ name }) => name === selection.metric);
  const nodes = pages.flatMap((page) => page.nodes);
  const isWhole = !selection.outcome && !selection.text;
  const total = pages.at(-1)?.totalCount;
  const show = (id: string) => change({ case: id === selection.case ? null : id });
  return (
    <section aria-label="Cases" className="cases">
      <h2>
        Cases by {metric ? metricTitle(metric).toLowerCase() : selection.metric}
        {total != null && <small>{`${total} cases`}</small>}
      </h2>
      <CaseFilters experiments={experiments} baseline={baseline} metrics={metrics} />
      {problem && <Failed what="No cases." failure={problem} retry={retry} />}
      {!pages.length && fetching && <Loading what="the cases" />}
      {!pages.length && !fetching && !problem && (
        <>
          <p>The source of the baseline has no cases to show.</p>
          <Reports reports={reports} retry={retry} />
        </>
      )}
      {pages.length > 0 && !nodes.length && <p>No case matches.</p>}
      {pages.length > 0 && !nodes.length && isWhole && joinOn === 'TEST_CASE_ID' && (
        <p>
          The vendor may give these sessions no ids of cases.{' '}
          <button onClick={() => change({ join: 'INPUT', case: null })}>Let cases meet by their input</button>
        </p>
      )}
      {nodes.length > 0 && (
        <Table
          caption={`Cases, ${ORDERS[selection.order]?.label ?? ''}`}
          columns={columnsOf(experiments, baseline, metric?.unit ?? 'SCORE', selection.case, show)}
          rows={nodes}
          rowKey={({ id }) => id}
          selected={({ id }) => id === selection.case}
        />
      )}
      {pages.at(-1)?.pageInfo.hasNextPage && <More busy={fetching} onMore={more} onlyByClick />}
      {selection.case && (
        <CaseInFull
          key={selection.case}
          id={selection.case}
          unit={metric?.unit ?? 'SCORE'}
          onClose={() => change({ case: null })}
        />
      )}
    </section>
  );
}

function columnsOf(
  experiments: readonly Compared[],
  baseline: string,
  unit: Metric['unit'],
  open: string | null,
  show: (id: string) => void,
): Column<Case>[] {
  const key: Column<Case> = {
    name: 'case',
    head: 'Case',
    cell: (row) => (
      <button className="case-key" aria-expanded={row.id === open} aria-haspopup="dialog" onClick={() => show(row.id)}>
        {row.key.length > 160 ? `${row.key.slice(0, 160)}…` : row.key || 'empty'}
      </button>
    ),
  };
  const labels = labelsOf(experiments);
  const values = experiments.map((one, index): Column<Case> => ({
    name: `value-${index}`,
    head: labels[index]!,
    numeric: true,
    cell: ({ entries }) => {
      const { value, delta, outcome } = entries[index]!;
      return (
        <>
          <Value value={value} unit={unit} note="the mean over its repetitions" />
          {one.id !== baseline && delta !== null && (
            <small className={outcome === 'REGRESSED' ? 'worse' : outcome === 'IMPROVED' ? 'better' : ''}>
              <Value value={delta} unit={unit} signed /> {outcome && words(outcome)}
            </small>
          )}
          {one.id !== baseline && delta === null && outcome && <small>{words(outcome)}</small>}
        </>
      );
    },
  }));
  return [key, ...values];
}

function CaseFilters({ experiments, baseline, metrics }: Omit<CasesProps, 'list' | 'joinOn'>) {
  const [parameters, change] = useParameters();
  const { metric, outcome, text, order, target } = selectionOf(parameters);
  const others = experiments.filter(({ id }) => id !== baseline);
  const labels = labelsOf(experiments);
  const metricOptions = metrics.map((one) => ({ value: one.name, label: metricTitle(one) }));
  if (!metricOptions.some(({ value }) => value === metric)) metricOptions.push({ value: metric, label: metric });
  return (
    <form className="filters" role="search" aria-label="Cases" onSubmit={(event) => event.preventDefault()}>
      <Choice
        label="Metric"
        value={metric}
        options={metricOptions}
        onChange={(value) => change({ metric: value, case: null })}
      />
      <Choice
        label="Order"
        value={order}
        options={Object.entries(ORDERS).map(([value, one]) => ({ value, label: one.label }))}
        onChange={(value) => change({ order: value })}
      />
      {others.length > 1 && (
        <Choice
          label="of"
          value={target ?? others[0]!.id}
          options={others.map((one) => ({ value: one.id, label: labels[experiments.indexOf(one)]! }))}
          onChange={(value) => change({ target: value })}
        />
      )}
      <Choice
        label="Outcome"
        value={outcome ?? ''}
        options={[
          { value: '', label: 'all' },
          ...OUTCOMES.map((value) => ({ value, label: words(value) })),
        ]}
        onChange={(value) => change({ outcome: value })}
      />
      <Search label="Text" value={text} onChange={(value) => change({ text: value })} />
    </form>
  );
}

/** Read every page of the cases, for the export. */
export function useAllCases() {
  const client = useClient();
  return async (variables: ReturnType<typeof caseVariables>): Promise<Case[]> => {
    const nodes: Case[] = [];
    let after: string | null = null;
    for (;;) {
      const result: { data?: CasesQuery | undefined; error?: Error | undefined } = await client
        .query(CasesDocument, { ...variables, first: 200, after })
        .toPromise();
      const page: Connection | null | undefined = result.data?.comparison?.cases;
      if (!page) throw result.error ?? new Error('The source of the baseline failed.');
      nodes.push(...page.nodes);
      if (!page.pageInfo.hasNextPage) return nodes;
      after = page.pageInfo.endCursor;
    }
  };
}
