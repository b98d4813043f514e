// Only the newest of several overlapping requests counts: an older answer never overwrites a newer one.

export class Latest {
  #current = null;

  /**
   * Start a task and abandon the one before. Resolves to the task's value, or to undefined where a newer one has begun
   * meanwhile; a task that was abandoned does not fail.
   */
  async run(task) {
    this.stop();
    const mine = new AbortController();
    this.#current = mine;
    try {
      const value = await task(mine.signal);
      return mine.signal.aborted ? undefined : value;
    } catch (error) {
      if (mine.signal.aborted) return undefined;
      throw error;
    }
  }

  stop() {
    this.#current?.abort();
  }
}
