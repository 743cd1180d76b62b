/** The health of the system in numbers, and the messages that it could not use. */

import type { Status } from "../api/types";
import { useStatus } from "../prices/status";
import { Problem } from "../ui/problem";
import { DeadLetters } from "./dead-letters";
import { PageFacts, PolicyFacts, VersionFacts } from "./facts";
import { Sinks } from "./sinks";
import { Tiles } from "./tiles";
import "./system.css";

export default function System() {
  const { data: status, error, isPending } = useStatus();
  return (
    <div className="page">
      <header className="title">
        <div>
          <h1>System</h1>
          <p className="dim">As of now, over the last seconds.</p>
        </div>
      </header>
      <Problem text={status ? null : error?.message} />
      {isPending ? <p className="loading">Loading…</p> : null}
      {status ? <Health status={status} /> : null}
      <DeadLetters counts={status?.flow?.dead_letters ?? {}} />
    </div>
  );
}

function Health({ status }: { status: Status }) {
  return (
    <>
      <Tiles status={status} />
      <div className="columns">
        <Sinks flow={status.flow} />
        <section className="card" aria-labelledby="policy">
          <PolicyFacts policy={status.policy} />
          <VersionFacts versions={status.versions} />
          <PageFacts />
        </section>
      </div>
    </>
  );
}
