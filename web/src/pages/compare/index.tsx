// Experiments of any sources side by side. The address is the comparison.
import { useEffect } from 'react';
import { useQuery } from 'urql';
import { failure } from '../../client';
import { Comparison, Names } from '../../queries';
import { Link, experimentPath, useParameters, withParameters } from '../../router';
import { Choice, Failed, Loading, Reports } from '../../ui';
import { Cards } from './cards';
import { Cases, caseVariables, useCases } from './cases';
import { ComparisonCharts, useFiguresOfCharts } from './comparison_charts';
import { Exports } from './exports';
import { type Compared, STATISTICS, joinOf, labelsOf, namesOf, selectionOf } from './selection';

export default function ComparePage() {
  const [parameters] = useParameters();
  const { ids } = selectionOf(parameters);
  const [{ data }] = useQuery({ query: Names, variables: { ids }, pause: ids.length < 2 });
  useEffect(() => {
    document.title = 'Compare · Tracegraph';
  }, []);
  if (ids.length < 2) {
    return (
      <>
        <h1>Compare</h1>
        <p>
          Choose two experiments or more in <Link to="/">the list</Link>.
        </p>
      </>
    );
  }
  // The queries run at once. A source that fails does not say the names: its columns are there anyway.
  const known = data?.nodes.flatMap((node) => (node && 'name' in node ? [node] : [])) ?? [];
  return <Compare names={known} evaluators={[...new Set(known.flatMap((one) => one.evaluators ?? []))].sort()} />;
}

function Compare({ names, evaluators }: { names: readonly Compared[]; evaluators: readonly string[] }) {
  const [parameters, change] = useParameters();
  const selection = selectionOf(parameters);
  const { ids, baseline, statistic, basis } = selection;
  const joinOn = joinOf(selection, names);
  const variables = { ids, baseline, statistic, basis, joinOn, metrics: null };
  const [{ data, error, fetching }, again] = useQuery({ query: Comparison, variables });
  const cases = useCases(caseVariables(selection, joinOn));
  useFiguresOfCharts(selection);
  const retry = () => again({ requestPolicy: 'network-only' });
  const comparison = data?.comparison;
  if (error && !comparison)
    return (
      <>
        <h1>Compare</h1>
        <Failed what="No comparison." failure={failure(error)} retry={retry} />
        <Link to={withParameters('/', '', { ids: ids.join(',') })}>Choose others</Link>
      </>
    );
  if (!comparison) return <Loading what="the sessions of the experiments" />;
  const experiments = comparison.experiments;
  return (
    <div aria-busy={fetching}>
      <h1>Compare</h1>
      <Experiments experiments={experiments} baseline={comparison.baseline.id} />
      <form className="filters" aria-label="Comparison" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="Statistic"
          value={statistic}
          options={STATISTICS.map((value) => ({ value, label: value.toLowerCase() }))}
          onChange={(value) => change({ statistic: value })}
        />
        <Choice
          label="Figures"
          value={basis}
          options={[
            { value: 'BEST', label: 'reported, else computed' },
            { value: 'REPORTED', label: 'reported by the vendors' },
            { value: 'COMPUTED', label: 'computed by the gateway' },
          ]}
          onChange={(value) => change({ basis: value })}
        />
        <Choice
          label="Cases meet by"
          value={joinOn}
          options={[
            { value: 'INPUT', label: 'their input' },
            { value: 'TEST_CASE_ID', label: "the vendor's id" },
          ]}
          onChange={(value) => change({ join: value, case: null })}
        />
        <Exports comparison={comparison} joinOn={joinOn} />
      </form>
      {comparison.missingIds.length > 0 && (
        <p className="remark">{`No source knows ${comparison.missingIds.length} of these experiments.`}</p>
      )}
      <Reports reports={comparison.sources} retry={retry} />
      <Cards comparison={comparison} />
      <Cases
        experiments={experiments}
        baseline={comparison.baseline.id}
        list={cases}
        joinOn={joinOn}
        metrics={comparison.metrics.map(({ metric }) => metric)}
      />
      <ComparisonCharts comparison={comparison} evaluators={evaluators} />
    </div>
  );
}

function Experiments({ experiments, baseline }: { experiments: readonly Compared[]; baseline: string }) {
  const [parameters, change] = useParameters();
  const { ids } = selectionOf(parameters);
  const [labels, names] = [labelsOf(experiments), namesOf(experiments)];
  return (
    <fieldset className="compared">
      <legend>Baseline</legend>
      {experiments.map((one, index) => (
        <div key={one.id} className={`compared-one series-${index % 8}`}>
          <label>
            <input
              type="radio"
              name="baseline"
              checked={one.id === baseline}
              onChange={() => change({ baseline: one.id, target: null, case: null })}
            />
            <span className="unseen">{`${labels[index]} is the baseline`}</span>
          </label>
          <Link to={experimentPath(one.id)}>{names[index]}</Link>
          <span className={`tag source-${one.source.vendor}`}>{one.source.name}</span>
          {experiments.length > 2 && (
            <button
              className="small"
              aria-label={`Remove ${labels[index]}`}
              onClick={() =>
                change({
                  ids: ids.filter((id) => id !== one.id).join(','),
                  baseline: one.id === baseline ? null : baseline,
                  target: null,
                  case: null,
                })
              }
            >
              ×
            </button>
          )}
        </div>
      ))}
      <Link to={withParameters('/', '', { ids: ids.join(',') })}>Choose others</Link>
    </fieldset>
  );
}
