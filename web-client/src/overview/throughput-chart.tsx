import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { useTheme } from "../ui/theme";
import { useMedia } from "../ui/use-media";
import type { Throughput } from "./figures";

const HEIGHT = 180;

/** Processes that ended, well and badly, over time, as stacked bars. */
export default function ThroughputChart({ data }: { data: Throughput }) {
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
    const [faint, line, good, bad] = [colour("ink-faint"), colour("line"), colour("good"), colour("bad")];
    const font = `11px ${style.fontFamily}`;
    const axis = { stroke: faint, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const bars = uPlot.paths.bars?.({ size: [0.7, 32], radius: 0.2 });
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.1))] } },
      axes: [
        { ...axis, size: 24, grid: { show: false }, values: (_, ticks) => ticks.map((at) => label(at, data)) },
        { ...axis, size: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
      ],
      series: [
        {},
        { label: "Failed and completed", stroke: "transparent", fill: bad, points: { show: false }, ...(bars ? { paths: bars } : {}) },
        { label: "Completed", stroke: "transparent", fill: good, points: { show: false }, ...(bars ? { paths: bars } : {}) },
      ],
    };
    const total = data.completed.map((count, bucket) => count + (data.failed[bucket] ?? 0));
    const plot = new uPlot(options, [data.at, total, data.completed], element);
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [data, theme, dark]);
  const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
  return <div ref={box} role="img" aria-label={`${sum(data.completed)} processes completed and ${sum(data.failed)} failed in this time`} style={{ minHeight: HEIGHT }} />;
}

function label(at: number, { at: times }: Throughput): string {
  const date = new Date(at * 1000);
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return span > 36 * 3600 ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
