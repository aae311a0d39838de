/** The baton. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#3d4fd6" />
      <path d="M9 23 21.5 10.5" stroke="#fff" strokeWidth="4.5" strokeLinecap="round" />
      <circle cx="23.5" cy="8.5" r="2.5" fill="#ffc857" />
    </svg>
  );
}
