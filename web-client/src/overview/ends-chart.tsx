import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { useTheme } from "../ui/theme";
import { useMedia } from "../ui/use-media";
import { type Ends, sum } from "./figures";

const HEIGHT = 180;

/** Processes that ended, well and badly, over time, as stacked bars; the share of those that ended well as a line. */
export default function EndsChart({ data }: { data: Ends }) {
  const box = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const dark = useMedia("(prefers-color-scheme: dark)");
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    // A canvas does not follow the page's colours by itself.
    const style = getComputedStyle(element);
    const colour = (name: string) => {
      element.style.color = `var(--${name})`;
      const value = style.color;
      element.style.color = "";
      return value;
    };
    const [faint, line, good, bad, accent] = ["ink-faint", "line", "good", "bad", "accent"].map(colour) as [string, string, string, string, string];
    const font = `11px ${style.fontFamily}`;
    const axis = { stroke: faint, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const bars = uPlot.paths.bars?.({ size: [0.7, 32], radius: 0.2 });
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.1))] }, success: { range: [0, 105] } },
      axes: [
        { ...axis, size: 24, grid: { show: false }, values: (_, ticks) => ticks.map((at) => label(at, data)) },
        { ...axis, size: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
        { ...axis, scale: "success", side: 1, size: 44, grid: { show: false }, splits: [0, 50, 100], values: (_, ticks) => ticks.map((percent) => `${percent} %`) },
      ],
      series: [
        {},
        { label: "Failed and completed", stroke: "transparent", fill: bad, points: { show: false }, ...(bars ? { paths: bars } : {}) },
        { label: "Completed", stroke: "transparent", fill: good, points: { show: false }, ...(bars ? { paths: bars } : {}) },
        { label: "Success", scale: "success", stroke: accent, width: 2, spanGaps: true, points: { show: true, size: 5, fill: accent } },
      ],
    };
    const total = data.completed.map((count, bucket) => count + (data.failed[bucket] ?? 0));
    const plot = new uPlot(options, [data.at, total, data.completed, data.success], element);
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [data, theme, dark]);
  return <div ref={box} role="img" aria-label={`${sum(data.completed)} processes completed and ${sum(data.failed)} failed in this time`} style={{ minHeight: HEIGHT }} />;
}

function label(at: number, { at: times }: Ends): string {
  const date = new Date(at * 1000);
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return span > 36 * 3600 ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
