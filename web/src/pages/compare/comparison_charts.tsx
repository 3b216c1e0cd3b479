// Charts of one metric over the compared experiments, all on one scale.
import { useCallback, useMemo } from 'react';
import { useQuery } from 'urql';
import { Chart, type Theme } from '../../charts';
import { failure, useOwnQuery } from '../../client';
import { type Unit, figure, unitOf } from '../../format';
import { metricInput, metricTitle } from '../../metrics';
import { CostAndQuality, Histograms, Spread } from '../../queries';
import { useParameters } from '../../router';
import { Choice, Failed, Loading } from '../../ui';
import type { Comparison, MetricComparison } from './cards';
import { type Compared, type Selection, labelsOf, selectionOf } from './selection';

/** Ask for the figures of the charts before the page has the metrics of the comparison. */
export function useFiguresOfCharts({ ids, metric, quality }: Selection): void {
  useQuery({ query: Spread, variables: { ids, metric: metricInput(metric) }, pause: metric === 'error_rate' });
  useQuery({ query: CostAndQuality, variables: { ids, quality: metricInput(quality) } });
}

interface Series {
  labels: string[];
  unit: Unit;
  title: string;
}

export function ComparisonCharts({
  comparison,
  evaluators,
}: {
  comparison: Comparison;
  evaluators: readonly string[];
}) {
  const [parameters] = useParameters();
  const selection = selectionOf(parameters);
  const compared = comparison.metrics.find(({ metric }) => metric.name === selection.metric) ?? comparison.metrics[0];
  if (!compared) return null;
  const { experiments } = comparison;
  const labels = labelsOf(experiments);
  return (
    <section aria-label="Charts" className="charts">
      <h2>Charts</h2>
      <div className="chart-grid">
        <Bars compared={compared} labels={labels} />
        <Distributions compared={compared} experiments={experiments} />
        <Scatter experiments={experiments} evaluators={evaluators} />
      </div>
    </section>
  );
}

/**
 * Return the options of a text that ends in an ellipsis where the chart ends.
 *
 * Plot takes the width of a line in em, of a narrow font: bold text of a wide one takes half as much again.
 */
const inside = (width: number) => ({ lineWidth: Math.max(5, (width - 80) / 18), textOverflow: 'ellipsis' as const });

/** Every chart writes the name of an experiment in its colour above its row, so that long names have room. */
function names({ plot, colors, width }: Theme, labels: readonly string[]) {
  return plot.text(labels, {
    fy: (text: string) => text,
    text: (text: string) => text,
    ...inside(width),
    frameAnchor: 'top-left',
    dy: 4,
    lineAnchor: 'top',
    fill: (text: string) => colors[labels.indexOf(text) % colors.length]!,
    fontWeight: 600,
  });
}

const scale = (unit: Unit) => ({
  tickFormat: (value: number) => figure(value, unit),
  nice: true,
  ticks: 5,
  labelArrow: 'none' as const,
});

/** Return a format of costs that tells close ones apart. */
function ticksOf(costs: readonly number[]): (value: number) => string {
  const range = Math.max(...costs) - Math.min(...costs);
  const digits = Math.ceil(-Math.log10(range)) + 1;
  return (value) => (range === 0 || digits < 3 || digits > 12 ? figure(value, 'USD') : `$${value.toFixed(digits)}`);
}

function rowsOf(labels: readonly string[], rowHeight: number) {
  return {
    fy: { domain: labels as string[], axis: null, padding: 0.08 },
    height: labels.length * rowHeight + 50,
    marginLeft: 24,
    marginRight: 40,
  };
}

function Bars({ compared, labels }: { compared: MetricComparison; labels: string[] }) {
  const { metric, statistic, entries } = compared;
  const unit = unitOf(metric.unit, statistic);
  const title = `${metricTitle(metric)}, ${statistic.toLowerCase()}`;
  const values = entries.flatMap(({ value }, index) =>
    value === null ? [] : [{ value, label: labels[index]!, index }],
  );
  const options = useCallback(
    (theme: Theme) => {
      const { plot, colors } = theme;
      const color = ({ index }: { index: number }) => colors[index % colors.length]!;
      return {
        ...rowsOf(labels, 54),
        marginRight: 90,
        x: { ...scale(unit), label: null, zero: true, grid: true },
        marks: [
          plot.barX(values, {
            fy: 'label',
            x: 'value',
            fill: color,
            insetTop: 22,
            title: (one: { value: number }) => `${one.value}`,
          }),
          // Beside one long bar the others are too short to be read without their values.
          plot.text(values, {
            fy: 'label',
            x: (one: { value: number }) => Math.max(one.value, 0), // a negative bar ends at 0
            text: (one: { value: number }) => figure(one.value, unit),
            textAnchor: 'start',
            dx: 5,
            dy: 11,
          }),
          names(theme, labels),
          plot.ruleX([0]),
        ],
      };
    },
    // The entries and labels are those of the response in the cache: new ones come with a new response.
    [entries, labels.join('|'), unit],
  );
  const description = values.map((one) => `${one.label}: ${figure(one.value, unit)}`).join('; ');
  return <Chart title={title} description={description} options={options} />;
}

interface Box {
  label: string;
  index: number;
  min: number;
  p25: number;
  median: number;
  p75: number;
  p90: number;
  max: number;
}

function Distributions({ compared, experiments }: { compared: MetricComparison; experiments: readonly Compared[] }) {
  const ids = experiments.map(({ id }) => id);
  const labels = labelsOf(experiments);
  const metric = metricInput(compared.metric.name);
  const isRatio = compared.metric.kind === 'ERROR_RATE'; // a session has no rate
  const [{ data, error, fetching }, again] = useOwnQuery({ query: Spread, variables: { ids, metric }, pause: isRatio });
  const boxes = data?.nodes.flatMap((node, index): Box[] => {
    const figures = node && 'aggregate' in node ? node.aggregate : null;
    if (figures?.min == null || figures.max === null) return [];
    return [{ label: labels[index]!, index, ...(figures as unknown as Omit<Box, 'label' | 'index'>) }];
  });
  const lower = Math.min(...(boxes ?? []).map(({ min }) => min));
  const upper = Math.max(...(boxes ?? []).map(({ max }) => max));
  const isKnown = boxes !== undefined && boxes.length > 0;
  const [{ data: histograms }] = useOwnQuery({
    query: Histograms,
    variables: { ids, metric, lower, upper },
    pause: !isKnown || isRatio,
  });
  if (isRatio) return null;
  if (error && !data)
    return (
      <Failed
        what="No distributions."
        failure={failure(error)}
        retry={() => again({ requestPolicy: 'network-only' })}
      />
    );
  if (fetching || !boxes) return <Loading what="the distributions" />;
  if (!isKnown) return <p>No session has a value.</p>;
  const bins = histograms?.nodes.flatMap((node, index) => {
    const of = node && 'aggregate' in node ? node.aggregate?.histogram : null;
    return (of ?? []).map((bin) => ({ ...bin, index, label: labels[index]! }));
  });
  const series = { labels, unit: compared.metric.unit, title: metricTitle(compared.metric) };
  return <DistributionChart series={series} boxes={boxes} bins={bins ?? []} />;
}

interface Bin {
  lower: number;
  upper: number;
  count: number;
  index: number;
  label: string;
}

function DistributionChart({
  series: { labels, unit, title },
  boxes,
  bins,
}: {
  series: Series;
  boxes: Box[];
  bins: Bin[];
}) {
  const key = JSON.stringify([labels, boxes, bins]);
  const options = useCallback(
    (theme: Theme) => {
      const { plot, colors } = theme;
      const color = ({ index }: { index: number }) => colors[index % colors.length]!;
      const box = { fy: 'label', stroke: color };
      const most = Math.max(1, ...bins.map(({ count }) => count));
      const middle = (Math.min(...boxes.map(({ min }) => min)) + Math.max(...boxes.map(({ max }) => max))) / 2;
      // The median's text stands below the box and continues to the side that has room.
      const medians = (isLeft: boolean) =>
        plot.text(
          boxes.filter(({ median }) => median <= middle === isLeft),
          {
            fy: 'label',
            x: 'median',
            y: -0.46 * most,
            text: (one: Box) => `median ${figure(one.median, unit)}`,
            textAnchor: isLeft ? 'start' : 'end',
          },
        );
      return {
        ...rowsOf(labels, 136),
        x: { ...scale(unit), label: null, grid: true },
        // The upper part of a row is the histogram, its lower part the box.
        y: { axis: null, domain: [-0.6 * most, 1.25 * most] },
        marks: [
          plot.rect(bins, {
            fy: 'label',
            x1: 'lower',
            x2: 'upper',
            y1: 0,
            y2: 'count',
            fill: color,
            fillOpacity: 0.55,
            insetLeft: 0.5,
            insetRight: 0.5,
            title: (bin: Bin) => `${figure(bin.lower, unit)} to ${figure(bin.upper, unit)}: ${bin.count} sessions`,
          }),
          plot.ruleY(boxes, { ...box, x1: 'min', x2: 'max', y: -0.18 * most }),
          plot.rect(boxes, {
            fy: 'label',
            x1: 'p25',
            x2: 'p75',
            y1: -0.28 * most,
            y2: -0.08 * most,
            fill: color,
            stroke: color,
            fillOpacity: 0.3,
            title: (one: Box) =>
              `p25 ${figure(one.p25, unit)}, median ${figure(one.median, unit)}, p75 ${figure(one.p75, unit)}`,
          }),
          plot.ruleX(boxes, {
            fy: 'label',
            x: 'median',
            y1: -0.3 * most,
            y2: -0.06 * most,
            stroke: color,
            strokeWidth: 3,
          }),
          medians(true),
          medians(false),
          names(theme, labels),
        ],
      };
    },
    [key],
  );
  const description = boxes.map(
    (one) =>
      `${one.label}: from ${figure(one.min, unit)} to ${figure(one.max, unit)}, median ${figure(one.median, unit)}`,
  );
  return <Chart title={`${title}: distribution, computed`} description={description.join('; ')} options={options} />;
}

function Scatter({ experiments, evaluators }: { experiments: readonly Compared[]; evaluators: readonly string[] }) {
  const [parameters, change] = useParameters();
  const { quality } = selectionOf(parameters);
  const variables = { ids: experiments.map(({ id }) => id), quality: metricInput(quality) };
  const [{ data, error, fetching }, again] = useOwnQuery({ query: CostAndQuality, variables });
  const points = useMemo(() => {
    const labels = labelsOf(experiments);
    return (
      data?.nodes.flatMap((node, index) => {
        const [cost, value] = node && 'cost' in node ? [node.cost?.mean, node.quality?.mean] : [];
        return cost == null || value == null ? [] : [{ cost, value, index, label: labels[index]! }];
      }) ?? []
    );
  }, [data, experiments]);
  const choices = [
    { value: 'error_rate', label: 'error rate' },
    ...evaluators.map((name) => ({ value: `score:${name}`, label: `score: ${name}` })),
  ];
  return (
    <div>
      <Choice label="Quality" value={quality} options={choices} onChange={(value) => change({ quality: value })} />
      {error && !data && (
        <Failed what="No figures." failure={failure(error)} retry={() => again({ requestPolicy: 'network-only' })} />
      )}
      {fetching && !data && <Loading what="cost and quality" />}
      {data && !points.length && <p>No experiment has both a cost and this quality.</p>}
      {points.length > 0 && <ScatterChart points={points} quality={quality} />}
    </div>
  );
}

/** The height of a line of the list of names, in pixels. */
const LINE = 16;

interface Point {
  cost: number;
  value: number;
  index: number;
  label: string;
}

function ScatterChart({ points, quality }: { points: readonly Point[]; quality: string }) {
  const unit: Unit = quality === 'error_rate' ? 'RATIO' : 'SCORE';
  const axis = quality === 'error_rate' ? 'error rate (lower is better)' : `${quality}, mean`;
  const options = useCallback(
    ({ plot, colors, width }: Theme) => {
      const costs = points.map(({ cost }) => cost);
      const extremes = [...new Set([Math.min(...costs), Math.max(...costs)])];
      const fill = ({ index }: Point) => colors[index % colors.length]!;
      const names = points.length * LINE;
      // Close points leave no room for names beside them: a number leads to the name in the list above.
      const name = (point: Point, row: number) =>
        plot.text([point], {
          frameAnchor: 'top-left',
          lineAnchor: 'top',
          dy: row * LINE - names - 8,
          text: (one: Point) => `${one.index + 1}  ${one.label}`,
          ...inside(width),
          fill,
          fontWeight: 600,
        });
      return {
        height: 270 + names,
        marginRight: 20,
        marginTop: 34 + names,
        x: { ...scale('USD'), tickFormat: ticksOf(costs), ticks: extremes, label: 'mean cost of a session', inset: 30 },
        y: { ...scale(unit), label: axis, inset: 20 },
        marks: [
          plot.dot(points, { x: 'cost', y: 'value', r: 7, fill, title: 'label' }),
          plot.text(points, { x: 'cost', y: 'value', dy: -14, text: (one: Point) => `${one.index + 1}`, fill }),
          points.map(name),
        ],
      };
    },
    [points, axis, unit],
  );
  const texts = points.map((one) => `${one.label}: ${figure(one.cost, 'USD')}, ${figure(one.value, unit)}`);
  return <Chart title="Cost against quality, computed" description={texts.join('; ')} options={options} />;
}
