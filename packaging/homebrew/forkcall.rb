class Forkcall < Formula
  desc "Runs a C function in another process and brings its result back"
  homepage "https://HOST/forkcall"
  url "https://HOST/forkcall/releases/download/v0.2.0/forkcall-0.2.0.tar.xz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "meson" => :build
  depends_on "ninja" => :build
  depends_on "pkgconf" => [:build, :test]

  def install
    system "meson", "setup", "build", "-Dtests=disabled", "-Dexamples=false", *std_meson_args
    system "meson", "compile", "-C", "build", "--verbose"
    system "meson", "install", "-C", "build"
  end

  def caveats
    <<~TEXT
      Homebrew's folders are writable for a group, so forkcall_use_helper(NULL) returns -EACCES
      until forkcall-helper lies where only its owner may write.
    TEXT
  end

  test do
    (testpath/"test.c").write <<~C
      #include <forkcall.h>
      static int twice(const void *args, size_t args_size, struct forkcall_buf *result)
      {
          const int doubled = *(const int *)args * 2;
          (void)args_size;
          return forkcall_buf_append(result, &doubled, sizeof doubled);
      }
      int main(void)
      {
          int number = 21, answer = 0;
          forkcall_init();
          struct forkcall_buf result = forkcall_buf_fixed(&answer, sizeof answer);
          forkcall_run(twice, &number, sizeof number, &result, NULL);
          return answer != 42;
      }
    C
    flags = shell_output("pkgconf --cflags --libs forkcall").chomp.split
    system ENV.cc, "test.c", "-o", "test", *flags
    system "./test"
  end
end
