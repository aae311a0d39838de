import { Plus } from "lucide-react";
import { Link } from "react-router";
import { RecentProcesses } from "../process/recent-processes";
import { useSession } from "../session/session";
import { Button } from "../ui/button";

const ALL = {};

/** What there is to see while nothing waits for a person. */
export default function UnderWay() {
  const { may } = useSession();
  return (
    <div className="h-full overflow-y-auto px-4 py-5 sm:px-6">
      <div className="mx-auto max-w-3xl">
        <p className="mb-5 text-sm text-ink-soft">Agents go on by themselves until they need you. What they ask then opens here.</p>
        <RecentProcesses
          query={ALL}
          none={
            <>
              <p>None yet. A process is drawn here, started over the API, or run by the demo (<code className="font-mono text-xs">baton demo</code>).</p>
              {may("processes:create") && (
                <Button asChild tone="accent" className="mt-3">
                  <Link to="/start">
                    <Plus className="size-4" aria-hidden="true" /> Start a process
                  </Link>
                </Button>
              )}
            </>
          }
        />
      </div>
    </div>
  );
}
