// What vocabularies whose line is four registers are written with: a struct of `v[4]` for each kind
// of vector. Macros, gone again at the end of the header that includes this.

// The same on each of the four registers.
#define FOUR1(f, a)                                        \
  {                                                        \
    { f((a).v[0]), f((a).v[1]), f((a).v[2]), f((a).v[3]) } \
  }
#define FOUR2(f, a, b)                                                                             \
  {                                                                                                \
    { f((a).v[0], (b).v[0]), f((a).v[1], (b).v[1]), f((a).v[2], (b).v[2]), f((a).v[3], (b).v[3]) } \
  }
#define FOUR3(f, a, b, c)                                                  \
  {                                                                        \
    {                                                                      \
      f((a).v[0], (b).v[0], (c).v[0]), f((a).v[1], (b).v[1], (c).v[1]),    \
          f((a).v[2], (b).v[2], (c).v[2]), f((a).v[3], (b).v[3], (c).v[3]) \
    }                                                                      \
  }
// The same register four times, and with each of four numbers.
#define SAME(x)    \
  {                \
    { x, x, x, x } \
  }
#define EACH(f)                \
  {                            \
    { f(0), f(1), f(2), f(3) } \
  }
