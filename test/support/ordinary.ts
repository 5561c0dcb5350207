/* Loaded before the program: it takes itself for an ordinary user's. What it may read stays as it is. */
process.geteuid = () => 1000;
