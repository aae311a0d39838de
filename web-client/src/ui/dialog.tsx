import { cloneElement, lazy, type ReactElement, type ReactNode, Suspense, useState } from "react";
import type { Opens } from "./menu";

const OpenDialog = lazy(() => import("./open-dialog"));

export interface DialogProps {
  title: string;
  description?: string;
  open?: boolean;
  onOpenChange?(open: boolean): void;
  /** What opens it; none where the caller holds `open`. */
  trigger?: ReactElement<Opens>;
  wide?: boolean;
  children: ReactNode;
}

/** A question or a form over the page; on a phone it rises from the foot. What it is made of is fetched with the first one. */
export function Dialog(props: DialogProps) {
  const { trigger, open = false, onOpenChange } = props;
  const [wanted, setWanted] = useState(open);
  if (open && !wanted) setWanted(true);
  if (wanted) {
    return (
      <Suspense fallback={trigger}>
        <OpenDialog {...props} />
      </Suspense>
    );
  }
  if (!trigger) return null;
  return cloneElement(trigger, { onClick: () => (onOpenChange ? onOpenChange(true) : setWanted(true)), "aria-haspopup": "dialog", "aria-expanded": false });
}
