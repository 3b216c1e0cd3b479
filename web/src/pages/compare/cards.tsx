// A card for each metric: every experiment's value, its difference and its ratio to the baseline, the best marked.
import { Missing, Value } from '../../format';
import type { ComparisonQuery } from '../../generated/graphql';
import { metricTitle, originOf } from '../../metrics';
import { useParameters } from '../../router';

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
  return (
    <article className="card" data-metric={metric.name}>
      <h2>
        {metricTitle(metric)}
        <small>{`${statistic.toLowerCase()} · ${metric.betterWhen === 'LOWER' ? 'lower' : 'higher'} is better`}</small>
      </h2>
      <table>
        <thead className="unseen">
          <tr>
            {['Experiment', 'Value', 'Difference', 'Ratio'].map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map((entry, index) => (
            <tr key={index} className={entry.experiment.id === best?.id ? 'best' : undefined}>
              <th scope="row">
                <span className={`mark series-${index % 8}`} aria-hidden="true" />
                {comparison.experiments[index]!.name}
                {entry.experiment.id === best?.id && <span className="badge">best</span>}
              </th>
              <td className="numeric">
                <Value value={entry.value} unit={statistic === 'COUNT' ? 'COUNT' : metric.unit} note={entry.aggregate ? originOf(entry.aggregate) : ''} />
                {entry.aggregate?.basis === 'COMPUTED' && <small title="computed by the gateway"> computed</small>}
              </td>
              <Delta entry={entry} compared={compared} isBaseline={entry.experiment.id === comparison.baseline.id} />
            </tr>
          ))}
        </tbody>
      </table>
      <Outcomes compared={compared} />
      <button className="small" onClick={() => change({ metric: metric.name, case: null })} aria-label={`Show the cases by ${metric.name}`}>
        Cases and charts
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
  if (isBaseline) return <td colSpan={2}>baseline</td>;
  const better = delta !== null && delta !== 0 ? (delta < 0 === (metric.betterWhen === 'LOWER') ? 'better' : 'worse') : '';
  return (
    <>
      <td className={`numeric ${better}`}>
        <Value value={delta} unit={statistic === 'COUNT' ? 'COUNT' : metric.unit} signed note={better} />
      </td>
      <td className="numeric">
        {ratio === null ? (
          <Missing />
        ) : (
          <data value={String(ratio)} title={`${ratio}, the value divided by the baseline's`}>{`×${ratio.toLocaleString('en', { maximumSignificantDigits: 3 })}`}</data>
        )}
      </td>
    </>
  );
}

/** How many of the baseline's cases each other experiment improved, and how many it made worse. */
function Outcomes({ compared: { entries } }: { compared: MetricComparison }) {
  const counted = entries.flatMap(({ cases }, index) => (cases ? [{ cases, index }] : []));
  return counted.map(({ cases, index }) => (
    <p key={index} className="outcomes">
      <span className={`mark series-${index % 8}`} aria-hidden="true" />
      {`${cases.improved} improved, ${cases.regressed} regressed, ${cases.equal} equal, ${cases.missing} missing`}
    </p>
  ));
}
