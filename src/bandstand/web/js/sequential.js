// A test of wins that may be watched: it stays valid however often somebody looks, and whenever they stop.

/** Evidence from which a preference is more than chance: at most one false alarm in twenty, ever. */
export const ENOUGH = 20;

/**
 * The evidence against "both policies win equally often", ties left out: an e-value, 1 where there is none.
 *
 * E = 2^n w! l! / (n + 1)!, n = w + l: the likelihood of the wins under a win rate drawn evenly from (0, 1), over their
 * likelihood under one half. Under one half E is a non-negative martingale that begins at 1, so that it ever reaches
 * 1 / alpha with a probability of at most alpha (Ville 1939; Robbins 1970, "Statistical methods related to the law of
 * the iterated logarithm").
 */
export function evidence(wins, losses) {
  let log = -Math.log(wins + losses + 1);
  // 2^n / C(n, w), factor by factor: neither the power nor the binomial has to fit into a number.
  for (let i = 1; i <= losses; i++) log += Math.log(i / (wins + i));
  return Math.exp(log + (wins + losses) * Math.LN2);
}
