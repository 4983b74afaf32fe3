/**
 * Resolves once a condition holds; asks again and again, as soon as it was answered.
 * @throws Error when it does not hold within 20 seconds
 */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('what was waited for did not come about');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
