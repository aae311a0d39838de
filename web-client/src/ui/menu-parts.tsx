import { DropdownMenu } from "radix-ui";
import { type ReactNode, useEffect, useRef } from "react";

/** The menu of `menu.tsx`, once somebody has asked for one. */
export default function OpenMenu({ trigger, byKey, children }: { trigger: ReactNode; byKey: boolean; children: ReactNode }) {
  const content = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Whoever came by the keyboard goes on from the first item.
    if (byKey) requestAnimationFrame(() => content.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus());
  }, [byKey]);
  return (
    <DropdownMenu.Root modal={false} defaultOpen>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      {/* Where its button is, not at the end of the page: what is outside of every landmark is hard to find by ear. */}
      <DropdownMenu.Content ref={content} sideOffset={6} align="end" collisionPadding={8} className="z-20 min-w-48 rounded-xl border border-line bg-raised p-1 text-ink shadow-xl">
        {children}
      </DropdownMenu.Content>
    </DropdownMenu.Root>
  );
}

export function MenuItem({ icon, danger = false, disabled = false, onSelect, children }: { icon?: ReactNode; danger?: boolean; disabled?: boolean; onSelect(): void; children: ReactNode }) {
  return (
    <DropdownMenu.Item
      disabled={disabled}
      onSelect={onSelect}
      className={`flex cursor-pointer items-center gap-2.5 rounded-lg px-2.5 py-2 text-sm outline-none data-disabled:cursor-not-allowed data-disabled:opacity-50 data-highlighted:bg-sunken ${danger ? "text-bad" : ""}`}
    >
      {icon && (
        <span className="shrink-0 [&>svg]:size-4" aria-hidden="true">
          {icon}
        </span>
      )}
      {children}
    </DropdownMenu.Item>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className="px-2.5 py-1.5 text-xs text-ink-faint">{children}</DropdownMenu.Label>;
}

export function MenuLine() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
