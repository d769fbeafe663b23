from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, get, rm, rmdir
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain
import os


class ForkcallConan(ConanFile):
    name = "forkcall"
    version = "0.2.0"
    description = "Runs a C function in another process and brings its result back"
    license = "MIT"
    homepage = "https://HOST/forkcall"
    topics = ("fork", "process", "isolation")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def layout(self):
        basic_layout(self, src_folder="src")

    def validate(self):
        if self.settings.os == "Windows":
            raise ConanInvalidConfiguration("forkcall does not run on Windows")

    def build_requirements(self):
        self.tool_requires("meson/[>=1.0.0]")

    def source(self):
        get(self, f"https://HOST/forkcall/releases/download/v{self.version}/forkcall-{self.version}.tar.xz",
            sha256="0" * 64, strip_root=True)

    def generate(self):
        toolchain = MesonToolchain(self)
        toolchain.project_options["tests"] = "disabled"
        toolchain.project_options["examples"] = "false"
        toolchain.generate()

    def build(self):
        meson = Meson(self)
        meson.configure()
        meson.build()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        Meson(self).install()
        # The build makes both libraries; a package has one of them.
        for pattern in ("*.a",) if self.options.shared else ("*.so*", "*.dylib"):
            rm(self, pattern, os.path.join(self.package_folder, "lib"))
        # The helper is a program of the shared library.
        if not self.options.shared:
            rmdir(self, os.path.join(self.package_folder, "libexec"))

    def package_info(self):
        self.cpp_info.libs = ["forkcall"]
        self.cpp_info.set_property("pkg_config_name", "forkcall")
        self.cpp_info.set_property("cmake_file_name", "forkcall")
        self.cpp_info.set_property("cmake_target_name", "forkcall::forkcall")
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
