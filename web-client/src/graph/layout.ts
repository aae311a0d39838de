import { graphlib, layout } from "@dagrejs/dagre";

export interface Box {
  id: string;
  width: number;
  height: number;
}

export interface Arrow {
  from: string;
  to: string;
}

export type Direction = "LR" | "TB";

/** Where each box goes, by its upper left corner, so that arrows run one way and cross little. The same input gives the same places. */
export function layoutOf(boxes: readonly Box[], arrows: readonly Arrow[], direction: Direction): Map<string, { x: number; y: number }> {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: direction, nodesep: direction === "LR" ? 28 : 24, ranksep: direction === "LR" ? 64 : 48, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of boxes) graph.setNode(id, { width, height });
  for (const { from, to } of arrows) if (graph.hasNode(from) && graph.hasNode(to)) graph.setEdge(from, to);
  layout(graph);
  return new Map(
    boxes.map(({ id, width, height }) => {
      const { x, y } = graph.node(id) as { x: number; y: number };
      return [id, { x: x - width / 2, y: y - height / 2 }];
    }),
  );
}

/** The direction in which the graph is largest in the space that it has; from left to right where both are as good. */
export function bestLayout(boxes: readonly Box[], arrows: readonly Arrow[], space: { width: number; height: number }): { places: Map<string, { x: number; y: number }>; direction: Direction } {
  const across = layoutOf(boxes, arrows, "LR");
  const down = layoutOf(boxes, arrows, "TB");
  const zoom = (places: Map<string, { x: number; y: number }>) => {
    const right = Math.max(1, ...boxes.map(({ id, width }) => (places.get(id)?.x ?? 0) + width));
    const bottom = Math.max(1, ...boxes.map(({ id, height }) => (places.get(id)?.y ?? 0) + height));
    return Math.min(1, space.width / right, space.height / bottom);
  };
  return zoom(down) > zoom(across) * 1.05 ? { places: down, direction: "TB" } : { places: across, direction: "LR" };
}
