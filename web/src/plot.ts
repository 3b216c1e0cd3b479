// The parts of Observable Plot that the charts use. The others are left out of the build.
export { barX, dot, line, plot, rect, rectY, ruleX, ruleY, text } from '@observablehq/plot';
export type { PlotOptions } from '@observablehq/plot';
