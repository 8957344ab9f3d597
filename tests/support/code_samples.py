"""Small files of source code, one a language, with what their headings are to be."""

from typing import NamedTuple


class CodeSample(NamedTuple):
    """`paths`: the heading paths of its symbols in order, outermost first, with ` > ` between."""

    name: str
    text: str
    paths: tuple[str, ...]


SAMPLES = (
    CodeSample(
        "tide.py",
        '''"""About tides."""
import os

# What a tide is.
@kept(where="here")
class Tide(Moon):
    """Rises."""
    height: int = 0

    # Two lines
    # of a comment.
    @property
    async def at(self, hour: int,
                 day: str = "Monday") -> float:
        def inner(x):
            return x
        return inner(hour)


if os.name:
    def tables(): pass
''',
        (
            "class Tide(Moon)",
            'class Tide(Moon) > async def at(self, hour: int, day: str = "Monday") -> float',
            'class Tide(Moon) > async def at(self, hour: int, day: str = "Monday") -> float > def inner(x)',
            "def tables()",
        ),
    ),
    CodeSample(
        "tide.js",
        """/** A tide. */
export default class Tide extends Moon {
  // When.
  static async at(hour, day) { return 1; }
  #high = () => { return 2; };
}
// Arrow.
export const rise = async (metres) => {
  return metres;
};
module.exports.fall = function (metres) { return metres; };
describe("tides", () => {
  function inner() {}
});
""",
        (
            "export default class Tide extends Moon",
            "export default class Tide extends Moon > static async at(hour, day)",
            "export default class Tide extends Moon > #high = ()",
            "export const rise = async (metres)",
            "module.exports.fall = function (metres)",
            "function inner()",
        ),
    ),
    CodeSample(
        "tide.ts",
        """/** A tide. */
@Component({ a: 1 })
export class Tide<T> extends Moon<T> implements Wave {
  name: string;
  /** When. */
  @Listen("x")
  private async at(hour: number, day?: string): Promise<void> {}
}
export interface Wave { rise(metres: number): void }
namespace Sea {
  export function fall<T,>(a: T): T { return a; }
}
""",
        (
            "export class Tide<T> extends Moon<T> implements Wave",
            "export class Tide<T> extends Moon<T> implements Wave"
            " > private async at(hour: number, day?: string): Promise<void>",
            "export interface Wave",
            "export interface Wave > rise(metres: number): void",
            "namespace Sea",
            "namespace Sea > export function fall<T,>(a: T): T",
        ),
    ),
    CodeSample(
        "tide.tsx",
        "// A table.\nexport const Table = ({ rows }: Rows) => {\n  return <table><tr>{rows}</tr></table>;\n};\n",
        ("export const Table = ({ rows }: Rows)",),
    ),
    CodeSample(
        "Tide.java",
        """package sea;

/** A tide. */
@Kept(where = "here (or there)")
public class Tide<T> extends Moon {
  /** Makes one. */
  public Tide(int height) { this.height = height; }

  @Override
  public <U> List<U> at(int hour, String day) throws Ebb { return null; }

  interface Wave { void rise(int metres); }
}
""",
        (
            "public class Tide<T> extends Moon",
            "public class Tide<T> extends Moon > public Tide(int height)",
            "public class Tide<T> extends Moon > public <U> List<U> at(int hour, String day) throws Ebb",
            "public class Tide<T> extends Moon > interface Wave",
            "public class Tide<T> extends Moon > interface Wave > void rise(int metres)",
        ),
    ),
    CodeSample(
        "tide.c",
        """/* Adds. */
static int
rise(int metres, struct moon *by)
{
  return metres;
}
#ifdef EBB
char *fall(void) { return 0; }
#endif
typedef struct { int height; } tide_t;
struct moon;
enum wave { HIGH, LOW };
int prototype(int metres);
""",
        ("static int rise(int metres, struct moon *by)", "char *fall(void)", "typedef struct tide_t", "enum wave"),
    ),
    CodeSample(
        "tide.cpp",
        """namespace sea {
// A tide.
template <typename T>
class Tide : public Moon<T> {
public:
  // Makes one.
  explicit Tide(int height) : height_(height) {}
  bool operator==(const Tide& other) const { return true; }
};
template <class T> T Tide<T>::at(int hour) { return hour; }
}
extern "C" { int rise(void) { return 1; } }
""",
        (
            "class Tide : public Moon<T>",
            "class Tide : public Moon<T> > explicit Tide(int height)",
            "class Tide : public Moon<T> > bool operator==(const Tide& other) const",
            "T Tide<T>::at(int hour)",
            "int rise(void)",
        ),
    ),
    CodeSample(
        "tide.h",
        "#pragma once\nclass Tide {\npublic:\n  int at(int hour) { return hour; }\n};\n",
        ("class Tide", "class Tide > int at(int hour)"),
    ),
    CodeSample(
        "Tide.cs",
        """namespace Sea {
  /// <summary>A tide.</summary>
  [Kept]
  public class Tide<T> : Moon {
    /// When.
    [Obsolete("x")]
    public async Task<int> At(int hour) { return 1; }
    public int Height { get; set; }
    int Rise(int metres) => metres;
  }
}
""",
        (
            "public class Tide<T> : Moon",
            "public class Tide<T> : Moon > public async Task<int> At(int hour)",
            "public class Tide<T> : Moon > int Rise(int metres)",
        ),
    ),
    CodeSample(
        "tide.go",
        """package sea

// Tide is a tide.
type Tide struct {
	Height int
}

// At says when.
func (t *Tide) At(hour int) (int, error) {
	return hour, nil
}

func rise[T any](metres T) T { return metres }
""",
        ("type Tide struct", "func (t *Tide) At(hour int) (int, error)", "func rise[T any](metres T) T"),
    ),
    CodeSample(
        "tide.rs",
        """/// A tide.
#[derive(Debug)]
pub struct Tide<T> { height: T }

impl<T> Tide<T> {
    /// When.
    #[inline]
    pub fn at(&self, bytes: [u8; 4]) -> Self { todo!() }
}
pub trait Wave { fn rise(&self); }
""",
        (
            "pub struct Tide<T>",
            "impl<T> Tide<T>",
            "impl<T> Tide<T> > pub fn at(&self, bytes: [u8;4]) -> Self",
            "pub trait Wave",
            "pub trait Wave > fn rise(&self)",
        ),
    ),
    CodeSample(
        "tide.rb",
        """# The sea.
module Sea
  # A tide.
  class Tide < Moon
    # When.
    def at(hour, day = 1)
      hour
    end

    def self.rise
      1
    end
  end
end
""",
        (
            "module Sea",
            "module Sea > class Tide < Moon",
            "module Sea > class Tide < Moon > def at(hour, day = 1)",
            "module Sea > class Tide < Moon > def self.rise",
        ),
    ),
    CodeSample(
        "tide.php",
        """<html><?php
/** A tide. */
#[Kept]
final class Tide extends Moon {
  /** When. */
  public static function at(int $hour, ?string $day = null): array { return []; }
}
function rise($metres) { return 1; }
?></html>
""",
        (
            "final class Tide extends Moon",
            "final class Tide extends Moon > public static function at(int $hour, ?string $day = null): array",
            "function rise($metres)",
        ),
    ),
    CodeSample(
        "tide.kt",
        """package sea

/** A tide. */
@Kept
data class Tide(val height: Int) : Moon() {
  /** When. */
  fun <T> at(hour: Int, day: String = "x"): Int { return 1 }
}

object Sea {
  fun rise() = 1
}
""",
        (
            "data class Tide(val height: Int) : Moon()",
            'data class Tide(val height: Int) : Moon() > fun <T> at(hour: Int, day: String = "x"): Int',
            "object Sea",
            "object Sea > fun rise()",
        ),
    ),
    CodeSample(
        "tide.swift",
        """/// A tide.
@objc
public class Tide: Moon {
  /// Makes one.
  init(height: Int) { self.height = height }
  public func at(_ hour: Int, day: String = "x") throws -> Int { return 1 }
}
extension Tide { func rise() {} }
""",
        (
            "public class Tide: Moon",
            "public class Tide: Moon > init(height: Int)",
            'public class Tide: Moon > public func at(_ hour: Int, day: String = "x") throws -> Int',
            "extension Tide",
            "extension Tide > func rise()",
        ),
    ),
    CodeSample(
        "Tide.scala",
        """package sea

/** A tide. */
@kept
case class Tide(height: Int) extends Moon {
  /** When. */
  def at(hour: Int): Int = { hour }
}
object Sea {
  def rise(): Unit = {}
}
""",
        (
            "case class Tide(height: Int) extends Moon",
            "case class Tide(height: Int) extends Moon > def at(hour: Int): Int",
            "object Sea",
            "object Sea > def rise(): Unit",
        ),
    ),
    CodeSample(
        "tide.sh",
        "#!/bin/bash\nset -e\n\n# Rises.\nrise() {\n  echo 1\n}\n\nfunction fall {\n  echo 2\n}\n",
        ("rise()", "function fall"),
    ),
)
