import { Slot } from "radix-ui";
import type { ButtonHTMLAttributes, ReactNode } from "react";

type Tone = "accent" | "plain" | "danger" | "quiet";

const TONES: Record<Tone, string> = {
  accent: "bg-accent text-accent-ink border-transparent hover:brightness-110",
  plain: "bg-surface text-ink border-line-strong hover:bg-sunken",
  danger: "bg-surface text-bad border-line-strong hover:bg-bad-soft",
  quiet: "bg-transparent text-ink-soft border-transparent hover:bg-sunken hover:text-ink",
};

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: Tone;
  /** Looks like a button, but is its only child: a link. */
  asChild?: boolean;
  /** The key that does the same. */
  shortcut?: string;
  children: ReactNode;
}

export function Button({ tone = "plain", shortcut, asChild = false, children, className = "", type = "button", ...rest }: ButtonProps) {
  const look = `inline-flex h-9 shrink-0 items-center justify-center gap-2 rounded-lg border px-3 text-sm font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-50 ${TONES[tone]} ${className}`;
  if (asChild) return <Slot.Root className={look}>{children}</Slot.Root>;
  return (
    <button type={type} aria-keyshortcuts={shortcut} className={look} {...rest}>
      {children}
      {shortcut && <Key>{shortcut}</Key>}
    </button>
  );
}

/** A key of the keyboard; of no use on a screen without one. */
export function Key({ children }: { children: string }) {
  return (
    <kbd aria-hidden="true" className="hidden rounded border border-current/30 px-1 font-mono text-[0.6875rem] leading-4 pointer-fine:inline">
      {children}
    </kbd>
  );
}
