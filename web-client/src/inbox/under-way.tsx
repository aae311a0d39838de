import { RecentProcesses } from "../process/recent-processes";

const ALL = {};

/** What there is to see while nothing waits for a person. */
export default function UnderWay() {
  return (
    <div className="h-full overflow-y-auto px-4 py-5 sm:px-6">
      <div className="mx-auto max-w-3xl">
        <p className="mb-5 text-sm text-ink-soft">Agents go on by themselves until they need you. What they ask then opens here.</p>
        <RecentProcesses query={ALL} />
      </div>
    </div>
  );
}
