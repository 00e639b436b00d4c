package dev.quern.oracle;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** The C function behind a method handle. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
@interface NativeSignature {
    String name();

    NativeType returns() default NativeType.VOID;

    NativeType[] takes() default {};
}
