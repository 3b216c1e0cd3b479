// The comparison as a file: its figures, and all cases that the filter leaves.
import { useState } from 'react';
import type { CaseKey } from '../../generated/graphql';
import { csv, download } from '../../download';
import { useParameters } from '../../router';
import { caseVariables, useAllCases } from './cases';
import type { Comparison } from './cards';
import { labelsOf, selectionOf } from './selection';

export function Exports({ comparison, joinOn }: { comparison: Comparison; joinOn: CaseKey }) {
  const [parameters] = useParameters();
  const [state, setState] = useState('');
  const readAll = useAllCases();
  const selection = selectionOf(parameters);
  async function save(form: 'figures.csv' | 'cases.csv' | 'json'): Promise<void> {
    setState('Reading…');
    try {
      if (form === 'figures.csv') download('figures.csv', 'text/csv', csv(figureRows(comparison)));
      else {
        const cases = await readAll(caseVariables(selection, joinOn));
        const named = cases.map(({ id: _, ...one }) => one);
        if (form === 'cases.csv') download('cases.csv', 'text/csv', csv(caseRows(comparison, selection.metric, named)));
        else {
          const content = {
            address: window.location.href,
            ...comparison,
            cases: { metric: selection.metric, joinOn, nodes: named },
          };
          download('comparison.json', 'application/json', `${JSON.stringify(content, withoutTypenames, 2)}\n`);
        }
      }
      setState('');
    } catch {
      setState('The cases could not be read.');
    }
  }
  return (
    <span className="exports" role="group" aria-label="Export">
      <button onClick={() => void save('figures.csv')}>Figures CSV</button>
      <button onClick={() => void save('cases.csv')}>Cases CSV</button>
      <button onClick={() => void save('json')}>JSON</button>
      <span role="status">{state}</span>
    </span>
  );
}

const withoutTypenames = (key: string, value: unknown) => (key === '__typename' ? undefined : value);

/** A row for each metric and experiment, as `tracegraph compare --format csv` has them. */
function figureRows({ metrics, experiments, baseline }: Comparison) {
  return metrics.flatMap(({ metric, statistic, entries, best }) =>
    entries.map(({ value, delta, ratio, aggregate, cases }, index) => {
      const experiment = experiments[index]!;
      return {
        metric: metric.name,
        unit: metric.unit,
        statistic,
        experiment_id: experiment.id,
        experiment: experiment.name,
        source: experiment.source.name,
        is_baseline: experiment.id === baseline.id,
        is_best: experiment.id === best?.id,
        value,
        delta,
        ratio,
        basis: aggregate?.basis,
        population: aggregate?.population,
        complete: aggregate?.complete,
        improved: cases?.improved,
        regressed: cases?.regressed,
        equal: cases?.equal,
        missing: cases?.missing,
      };
    }),
  );
}

interface NamedCase {
  key: string;
  entries: { value: number | null; delta: number | null; outcome: string | null }[];
}

function caseRows({ experiments }: Comparison, metric: string, cases: readonly NamedCase[]) {
  const labels = labelsOf(experiments);
  return cases.flatMap(({ key, entries }) =>
    entries.map(({ value, delta, outcome }, index) => ({
      key,
      metric,
      experiment: labels[index],
      experiment_id: experiments[index]!.id,
      value,
      delta,
      outcome,
    })),
  );
}
