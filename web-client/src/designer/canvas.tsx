import "@xyflow/react/dist/base.css";
import "../graph/graph.css";
import "./designer.css";
import {
  Background,
  type Connection,
  Controls,
  type Edge,
  type EdgeChange,
  type FinalConnectionState,
  Handle,
  MarkerType,
  type Node,
  type NodeChange,
  type NodeProps,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import type { StepInput } from "@baton/client";
import { useEffect, useMemo, useState } from "react";
import { layoutOf } from "../graph/layout";
import { addStep, connect, connectFault, type Definition, disconnect, keysOf, nameOf, removeStep } from "./definition";
import type { Faults } from "./faults";
import { forWhom, StepMarks } from "./step-list";

const WIDTH = 208;
const HEIGHT = 76;
const TYPES = { step: StepNode };
const ARROW = { type: MarkerType.ArrowClosed, width: 16, height: 16 };

interface Place {
  x: number;
  y: number;
}

interface StepData extends Record<string, unknown> {
  step: StepInput;
  faults: number;
}

interface Props {
  definition: Definition;
  chosen: number | undefined;
  faults: Faults;
  /** Changes when everything is to be put in order again. */
  tidied: number;
  onChange(definition: Definition): void;
  onChoose(index: number | undefined): void;
  /** Why something cannot be drawn. */
  onSay(what: string): void;
}

/** The steps drawn as a graph. An arrow is drawn from a step to the one that waits for it; dropped on the canvas it makes a new one. */
export default function Canvas(props: Props) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ definition, chosen, faults, tidied, onChange, onChoose, onSay }: Props) {
  const { fitView } = useReactFlow();
  const keys = keysOf(definition);
  const shape = JSON.stringify(definition.steps.map((step, index) => [keys[index], step.dependencies ?? []]));
  const order = useMemo(() => {
    const steps = JSON.parse(shape) as [string, string[]][];
    const boxes = steps.map(([id]) => ({ id, width: WIDTH, height: HEIGHT }));
    return layoutOf(boxes, steps.flatMap(([to, before]) => before.map((from) => ({ from, to }))), "LR");
  }, [shape]);
  /** Where somebody has put a step, by key; the others stand where the layout puts them. */
  const [places, setPlaces] = useState<Record<string, Place>>({});
  const [chosenEdge, setChosenEdge] = useState<string>();
  const arrangement = `${tidied} ${shape}`;
  /** The arrangement that has been brought into view. */
  const [fitted, setFitted] = useState<string>();
  useEffect(() => setPlaces({}), [tidied]);
  useEffect(() => {
    // After what is new has been measured; an arrow moves steps too, perhaps out of sight.
    let over = false;
    const timer = setTimeout(async () => {
      await fitView({ padding: 0.15, maxZoom: 1, duration: window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200 });
      if (!over) setFitted(arrangement);
    }, 50);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [fitView, arrangement]);

  const nodes: Node<StepData>[] = definition.steps.map((step, index) => {
    const key = keys[index] ?? "";
    return {
      id: key,
      type: "step",
      position: places[key] ?? order.get(key) ?? { x: 0, y: 0 },
      selected: index === chosen,
      width: WIDTH,
      height: HEIGHT,
      measured: { width: WIDTH, height: HEIGHT },
      ariaLabel: step.name || key,
      data: { step, faults: faults.count(index) },
    };
  });
  const edges: Edge[] = definition.steps.flatMap((step, index) => {
    const key = keys[index] ?? "";
    const waits = (step.dependencies ?? []).filter((from) => keys.includes(from)).map((from): Edge => {
      const id = `${from} to ${key}`;
      return { id, source: from, target: key, markerEnd: ARROW, selected: id === chosenEdge, ariaLabel: `${nameOf(definition, key)} waits for ${nameOf(definition, from)}` };
    });
    // Where a condition leads, unless the dependency is drawn already.
    const leads = (step.conditions ?? []).flatMap(({ nextStepId }, at): Edge[] => {
      const target = nextStepId ? definition.steps[keys.indexOf(nextStepId)] : undefined;
      if (!nextStepId || !target || target.dependencies?.includes(key)) return [];
      return [{ id: `${key} leads to ${nextStepId} ${at}`, source: key, target: nextStepId, markerEnd: ARROW, deletable: false, selectable: false, focusable: false, style: { strokeDasharray: "4 4" } }];
    });
    return [...waits, ...leads];
  });

  const changed = (changes: NodeChange<Node<StepData>>[]) => {
    for (const change of changes) {
      if (change.type === "position" && change.position) {
        const { id, position } = change;
        setPlaces((all) => ({ ...all, [id]: position }));
      }
      if (change.type === "select" && change.selected) onChoose(keys.indexOf(change.id));
    }
  };
  const edgesChanged = (changes: EdgeChange[]) => {
    for (const change of changes) {
      if (change.type !== "select") continue;
      setChosenEdge((current) => (change.selected ? change.id : current === change.id ? undefined : current));
    }
  };
  const drawn = ({ source, target }: Connection) => {
    const fault = connectFault(definition, source, target);
    if (fault) onSay(fault);
    else onChange(connect(definition, source, target));
  };
  const dropped = (_event: MouseEvent | TouchEvent, { isValid, fromNode, toNode, fromHandle }: FinalConnectionState) => {
    if (isValid || !fromNode) return;
    if (toNode) {
      const [source, target] = fromHandle?.type === "target" ? [toNode.id, fromNode.id] : [fromNode.id, toNode.id];
      return onSay(connectFault(definition, source, target) ?? "");
    }
    if (fromHandle?.type !== "source") return;
    onChange(addStep(definition, fromNode.id));
    onChoose(definition.steps.length);
  };
  const deleted = ({ nodes: gone, edges: cut }: { nodes: Node[]; edges: Edge[] }) => {
    let next = definition;
    for (const { source, target } of cut) if (keysOf(next).includes(target)) next = disconnect(next, source, target);
    for (const { id } of gone) next = removeStep(next, keysOf(next).indexOf(id));
    onChange(next);
    if (gone.length > 0) onChoose(undefined);
  };
  return (
    <ReactFlow
      aria-busy={fitted !== arrangement}
      nodes={nodes}
      edges={edges}
      nodeTypes={TYPES}
      onNodesChange={changed}
      onEdgesChange={edgesChanged}
      onConnect={drawn}
      onConnectEnd={dropped}
      onDelete={deleted}
      onPaneClick={() => onChoose(undefined)}
      isValidConnection={({ source, target }) => connectFault(definition, source, target) === undefined}
      deleteKeyCode={["Delete", "Backspace"]}
      multiSelectionKeyCode={null}
      selectionKeyCode={null}
      connectionRadius={30}
      minZoom={0.2}
      maxZoom={1.5}
      fitView
      fitViewOptions={{ padding: 0.15, maxZoom: 1 }}
    >
      <Background gap={20} />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}

function StepNode({ id, data, selected }: NodeProps<Node<StepData>>) {
  const { step, faults } = data;
  return (
    <div
      data-node={id}
      className={`flex h-full flex-col justify-center rounded-xl border bg-surface px-3.5 shadow-sm ${faults > 0 ? "border-bad" : selected ? "border-accent ring-2 ring-accent/30" : "border-line-strong"}`}
    >
      <Handle type="target" position={Position.Left} className="designer-handle" />
      <div className="flex items-center justify-between gap-2">
        <span className="truncate text-sm font-semibold">{step.name || id}</span>
        <StepMarks step={step} faults={faults} />
      </div>
      <span className="truncate text-xs text-ink-soft">{forWhom(step)}</span>
      <span className="truncate font-mono text-[0.6875rem] text-ink-faint">{id}</span>
      <Handle type="source" position={Position.Right} className="designer-handle" />
    </div>
  );
}
