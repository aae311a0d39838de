import { cloneElement, lazy, type MouseEvent, type ReactElement, type ReactNode, Suspense, useState } from "react";

const parts = () => import("./menu-parts");
const OpenMenu = lazy(parts);

export const MenuItem = lazy(() => parts().then(({ MenuItem }) => ({ default: MenuItem })));
export const MenuLabel = lazy(() => parts().then(({ MenuLabel }) => ({ default: MenuLabel })));
export const MenuLine = lazy(() => parts().then(({ MenuLine }) => ({ default: MenuLine })));

/** What a button takes that opens something. */
export interface Opens {
  onClick?: (event: MouseEvent) => void;
  "aria-haspopup"?: "menu" | "dialog";
  "aria-expanded"?: boolean;
}

/** What else can be done, behind one button. What a menu is made of is fetched when the first is asked for. */
export function Menu({ trigger, children }: { trigger: ReactElement<Opens>; children: ReactNode }) {
  const [wanted, setWanted] = useState<"by hand" | "by key">();
  const closed = cloneElement(trigger, { onClick: ({ detail }) => setWanted(detail === 0 ? "by key" : "by hand"), "aria-haspopup": "menu", "aria-expanded": false });
  if (!wanted) return closed;
  return (
    <Suspense fallback={closed}>
      <OpenMenu trigger={trigger} byKey={wanted === "by key"}>{children}</OpenMenu>
    </Suspense>
  );
}
