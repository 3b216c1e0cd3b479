// A card for each metric: every experiment's value, its difference and its ratio to the baseline, the best marked.
import { Missing, Value, unitOf } from '../../format';
import type { ComparisonQuery } from '../../generated/graphql';
import { metricTitle, originOf } from '../../metrics';
import { useParameters } from '../../router';
import { namesOf } from './selection';

export type Comparison = NonNullable<ComparisonQuery['comparison']>;
export type MetricComparison = Comparison['metrics'][number];

export function Cards({ comparison }: { comparison: Comparison }) {
  if (!comparison.metrics.length) return <p>No metric has this statistic in two of the experiments.</p>;
  return (
    <section className="cards" aria-label="Figures">
      {comparison.metrics.map((one) => (
        <Card key={one.metric.name} compared={one} comparison={comparison} />
      ))}
    </section>
  );
}

function Card({ compared, comparison }: { compared: MetricComparison; comparison: Comparison }) {
  const [, change] = useParameters();
  const { metric, statistic, entries, best } = compared;
  const names = namesOf(comparison.experiments);
  return (
    <article className="card" data-metric={metric.name}>
      <h2>
        {metricTitle(metric)}
        <small>{`${statistic.toLowerCase()} · ${metric.betterWhen === 'LOWER' ? 'lower' : 'higher'} is better`}</small>
      </h2>
      <table role="table" className="figures">
        <thead role="rowgroup" className="unseen">
          <tr role="row">
            {['Experiment', 'Value', 'Difference', 'Ratio'].map((head) => (
              <th key={head} role="columnheader" scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {entries.map((entry, index) => (
            <tr key={index} role="row" className={entry.experiment.id === best?.id ? 'best' : undefined}>
              <th role="rowheader" scope="row">
                <span className={`mark series-${index % 8}`} aria-hidden="true" />
                {names[index]}
                {entry.experiment.id === best?.id && <span className="badge">best</span>}
              </th>
              <td role="cell">
                <Value
                  value={entry.value}
                  unit={unitOf(metric.unit, statistic)}
                  note={entry.aggregate ? originOf(entry.aggregate) : ''}
                />
                {entry.aggregate?.basis === 'COMPUTED' && <small title="computed by the gateway"> computed</small>}
              </td>
              <Delta entry={entry} compared={compared} isBaseline={entry.experiment.id === comparison.baseline.id} />
            </tr>
          ))}
        </tbody>
      </table>
      <Outcomes compared={compared} names={names} />
      <button className="small" onClick={() => change({ metric: metric.name, case: null })}>
        Cases and charts<span className="unseen">{` by ${metric.name}`}</span>
      </button>
    </article>
  );
}

interface DeltaProps {
  entry: MetricComparison['entries'][number];
  compared: MetricComparison;
  isBaseline: boolean;
}

function Delta({ entry: { delta, ratio }, compared: { metric, statistic }, isBaseline }: DeltaProps) {
  if (isBaseline) return <td role="cell">baseline</td>;
  const better =
    delta !== null && delta !== 0 ? (delta < 0 === (metric.betterWhen === 'LOWER') ? 'better' : 'worse') : '';
  return (
    <>
      <td role="cell" className={better}>
        <Value value={delta} unit={unitOf(metric.unit, statistic)} signed note={better} />
      </td>
      <td role="cell">
        {ratio === null ? (
          <Missing />
        ) : (
          <data
            value={String(ratio)}
            title={`${ratio}, the value divided by the baseline's`}
          >{`×${ratio.toLocaleString('en', { maximumSignificantDigits: 3 })}`}</data>
        )}
      </td>
    </>
  );
}

/** How many of the baseline's cases each other experiment improved, and how many it made worse. */
function Outcomes({ compared: { entries }, names }: { compared: MetricComparison; names: readonly string[] }) {
  const counted = entries.flatMap(({ cases }, index) => (cases ? [{ cases, index }] : []));
  return counted.map(({ cases, index }) => (
    <p key={index} className="outcomes">
      <span className={`mark series-${index % 8}`} aria-hidden="true" />
      {counted.length > 1 && `${names[index]}: `}
      {`${cases.improved} improved, ${cases.regressed} regressed, ${cases.equal} equal, ${cases.missing} missing`}
    </p>
  ));
}
