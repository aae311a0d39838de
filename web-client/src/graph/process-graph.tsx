import "@xyflow/react/dist/base.css";
import "./graph.css";
import { Background, Controls, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Process, Step } from "../model";
import { lookOfStep, TONE_CLASS } from "../ui/badge";
import { took } from "../ui/time";
import { bestLayout, type Direction } from "./layout";

interface StepData extends Record<string, unknown> {
  step: Step;
  chosen: boolean;
  direction: Direction;
}

const WIDTH = 216;
const HEIGHT = 84;
const TYPES = { step: StepNode };

interface GraphProps {
  process: Process;
  chosen: string | undefined;
  onChoose(stepId: string | undefined): void;
}

/** The steps of a process as a graph: an arrow from each step to those that wait for it. */
export default function ProcessGraph(props: GraphProps) {
  return (
    <ReactFlowProvider>
      <Graph {...props} />
    </ReactFlowProvider>
  );
}

function Graph({ process, chosen, onChoose }: GraphProps) {
  const pane = useRef<HTMLDivElement>(null);
  const size = useSize(pane);
  const shape = JSON.stringify(process.steps.map((step) => [step.id, step.key, step.dependencies, nextKeys(step), step.parentStepId ?? ""]));
  // What opens below the graph takes some of its height: that is no reason to turn it round.
  const space = useMemo(() => size, [shape, size.width]);
  const { places, direction, edges } = useMemo(() => {
    const steps = JSON.parse(shape) as [string, string, string[], string[], string][];
    const ids = new Map(steps.map(([id, key]) => [key, id]));
    const arrows = steps.flatMap(([id, , dependencies, next, parent]) => [
      ...dependencies.map((key) => ({ from: ids.get(key) ?? "", to: id, branch: false })),
      ...(parent === "" ? [] : [{ from: parent, to: id, branch: true }]),
      // A condition's branch is an arrow of its own unless the dependency has drawn it.
      ...next.flatMap((key) => {
        const to = ids.get(key) ?? "";
        const drawn = steps.find(([other]) => other === to)?.[2].some((dependency) => ids.get(dependency) === id);
        return drawn || to === "" ? [] : [{ from: id, to, branch: true }];
      }),
    ]);
    return { ...bestLayout(steps.map(([id]) => ({ id, width: WIDTH, height: HEIGHT })), arrows, space), edges: arrows };
  }, [shape, space]);
  const states = new Map(process.steps.map((step) => [step.id, step]));
  const nodes: Node<StepData>[] = process.steps.map((step) => ({
    id: step.id,
    type: "step",
    position: places.get(step.id) ?? { x: 0, y: 0 },
    data: { step, chosen: step.id === chosen, direction },
    width: WIDTH,
    height: HEIGHT,
    measured: { width: WIDTH, height: HEIGHT },
    draggable: false,
    connectable: false,
    ariaRole: "button",
    domAttributes: { "aria-pressed": step.id === chosen } as never,
  }));
  const flowEdges: Edge[] = edges.map(({ from, to, branch }) => {
    const target = states.get(to);
    const moving = states.get(from)?.status === "completed" && target?.status === "running";
    return {
      id: `${from} ${to}`,
      source: from,
      target: to,
      animated: moving,
      focusable: false,
      className: states.get(from)?.status === "completed" ? "passed" : target?.status === "skipped" ? "skipped" : "",
      ...(branch ? { style: { strokeDasharray: "4 4" } } : {}),
    };
  });
  return (
    <div ref={pane} className="h-full">
    <ReactFlow
      // Where arrows leave and enter a box is measured once.
      key={direction}
      fitView
      fitViewOptions={FIT}
      nodes={nodes}
      edges={flowEdges}
      nodeTypes={TYPES}
      nodesFocusable
      edgesFocusable={false}
      nodesConnectable={false}
      nodesDraggable={false}
      elementsSelectable
      selectNodesOnDrag={false}
      zoomOnScroll={false}
      preventScrolling={false}
      panOnScroll={false}
      minZoom={0.2}
      maxZoom={1.5}
      proOptions={{ hideAttribution: true }}
      onNodeClick={(_, node) => onChoose(node.id === chosen ? undefined : node.id)}
      onPaneClick={() => onChoose(undefined)}
      onKeyDown={(event) => {
        const id = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
        if (id && (event.key === "Enter" || event.key === " ")) {
          event.preventDefault();
          onChoose(id === chosen ? undefined : id);
        }
      }}
    >
      <Fit places={places} size={size} chosen={chosen} />
      <Background gap={20} size={1} />
      <Controls showInteractive={false} position="bottom-right" />
    </ReactFlow>
    </div>
  );
}

const FIT = { padding: 0.08, maxZoom: 1 };

/** The whole graph in view, at first and whenever its shape or its place changes; while a step is looked at, that step. */
function Fit({ places, size, chosen }: { places: Map<string, { x: number; y: number }>; size: Size; chosen: string | undefined }) {
  const flow = useReactFlow();
  const watched = useRef(chosen);
  useEffect(() => {
    watched.current = chosen;
  });
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      const place = watched.current === undefined ? undefined : places.get(watched.current);
      if (place) void flow.setCenter(place.x + WIDTH / 2, place.y + HEIGHT / 2, { zoom: flow.getZoom() });
      else void flow.fitView(FIT);
    });
    return () => cancelAnimationFrame(frame);
  }, [flow, places, size]);
  return null;
}

interface Size {
  width: number;
  height: number;
}

function useSize(element: React.RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 800, height: 500 });
  useEffect(() => {
    if (!element.current) return;
    const watch = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: Math.round(entry.contentRect.width), height: Math.round(entry.contentRect.height) });
    });
    watch.observe(element.current);
    return () => watch.disconnect();
  }, [element]);
  return size;
}

function nextKeys(step: Step): string[] {
  return (step.conditions ?? []).flatMap(({ nextStepId }) => (nextStepId ? [nextStepId] : []));
}

function StepNode({ data: { step, chosen, direction } }: NodeProps<Node<StepData>>) {
  const look = lookOfStep(step);
  const Icon = look.icon;
  const percent = step.status === "running" ? step.progress?.percent : undefined;
  const [into, out] = direction === "LR" ? [Position.Left, Position.Right] : [Position.Top, Position.Bottom];
  return (
    <div
      data-step={step.key}
      data-status={step.status}
      data-phase={step.phase ?? ""}
      className={`relative flex h-full w-full flex-col justify-center gap-1.5 overflow-hidden rounded-xl border bg-surface px-3 shadow-sm transition-colors ${chosen ? "border-accent ring-2 ring-accent/40" : "border-line-strong"} ${step.status === "skipped" || step.status === "cancelled" ? "opacity-70" : ""}`}
    >
      <Handle type="target" position={into} isConnectable={false} />
      <div className="flex items-center gap-2.5">
        <span className={`grid size-8 shrink-0 place-items-center rounded-full ${TONE_CLASS[look.tone]}`}>
          <Icon className={`size-4 ${step.phase === "executing" ? "breathing" : ""}`} aria-hidden="true" />
        </span>
        <div className="min-w-0 flex-1">
          <p className="truncate text-sm leading-5 font-semibold">{step.name}</p>
          <p className="truncate text-xs text-ink-soft">
            {look.label}
            {attemptsOf(step)}
          </p>
        </div>
      </div>
      <p className="truncate text-xs text-ink-faint">{under(step)}</p>
      {percent !== undefined && <span className="absolute bottom-0 left-0 h-1 bg-busy transition-[width]" style={{ width: `${percent}%` }} />}
      <Handle type="source" position={out} isConnectable={false} />
    </div>
  );
}

/** Which attempt this is, or how many there were, where it is not the first. */
function attemptsOf({ attempts, maxAttempts, status }: Step): string {
  if (attempts === 0 || status === "completed") return "";
  if (status === "pending" || status === "running") return `, attempt ${Math.min(attempts + 1, maxAttempts)} of ${maxAttempts}`;
  return attempts > 1 ? ` after ${attempts} attempts` : "";
}

/** Who has it, or how long it took, or who it waits for. */
function under(step: Step): string {
  if (step.heldBy) return step.phase === "offered" ? `offered to ${step.heldBy}` : `held by ${step.heldBy}`;
  if (step.completedAt && step.startedAt) return `took ${took(Date.parse(step.completedAt) - Date.parse(step.startedAt))}`;
  return step.error && step.status === "failed" ? step.error.message : forWhom(step);
}

function forWhom(step: Step): string {
  if (step.process) return "a process of its own";
  if (step.assignedAgentId) return `for ${step.assignedAgentId}`;
  if (step.requiredCapabilities?.length) return `needs ${step.requiredCapabilities.join(", ")}`;
  return step.role ? `for a ${step.role}` : "for any agent";
}
