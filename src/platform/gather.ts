/** So many share the cost of a round trip that waiting for more gains little. */
const ENOUGH = 16;

/**
 * Calls `send` once the crowd has gathered: at the first turn of the event loop in which nobody came,
 * or when enough wait. A lone caller waits one turn; under load a round trip is shared by many.
 * @param waiting how many wait now
 */
export function gather(waiting: () => number, send: () => void): void {
  let before = waiting();
  const turn = () => {
    const now = waiting();
    if (now === before || now >= ENOUGH) send();
    else {
      before = now;
      setImmediate(turn);
    }
  };
  setImmediate(turn);
}
